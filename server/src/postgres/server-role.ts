import { type Database, runInBulk, statement } from "./database.ts";

const GRANT = statement("grant_server_rights", "SELECT grant_server_rights($1::name)");

/**
 * Gives a role the rights that a server needs, in the name of the owner of the tables. May be done again.
 * @throws DatabaseError when there is no such role, or this user does not own the tables.
 */
export async function grantServerRights(db: Database, role: string): Promise<void> {
  await runInBulk(db, GRANT, [role]);
}
