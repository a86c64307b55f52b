import type { GrantsSource } from "../service/grants.ts";
import { type Database, runOne, statement } from "./database.ts";

/** In one statement: the key is that of what it reads. */
const LOAD = statement<{ key: Buffer; roles: string[]; permissions: string[] }>(
  "grants_of_roles",
  "SELECT grants_key.key, grants.roles, grants.permissions FROM grants_key CROSS JOIN LATERAL grants_of_roles($1::text[]) AS grants",
);

export function createGrantsSource(db: Database): GrantsSource {
  return {
    async load(names) {
      const row = await runOne(db, LOAD, [names]);
      if (row === undefined) throw new Error("the table grants_key has lost its row");
      const { key, roles, permissions } = row;
      return { key, grants: { roles, permissions } };
    },
  };
}
