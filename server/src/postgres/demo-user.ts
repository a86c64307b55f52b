import { DEFAULT_ROLE } from "../domain/user.ts";
import type { NewUser } from "../service/ports.ts";
import { type Database, run, statement } from "./database.ts";
import { recordEvent } from "./events.ts";

const SEED = statement<{ id: string }>(
  "seed_demo_user",
  `WITH account AS (
    INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, data_public, created_at)
    VALUES ($1, $2, $3, lower($3::text COLLATE "C"), $4, $6, $5, $6)
    ON CONFLICT DO NOTHING
    RETURNING id
  ), ${recordEvent({
    type: "user.registered",
    result: "success",
    from: "account",
    now: "$6",
    actor: "NULL::uuid",
    subject: "id",
    session: "NULL::uuid",
    ip: "NULL::inet",
    userAgent: "'seed'",
    requestId: "''",
    detail: "jsonb_build_object('by', 'seed')",
  })}
  INSERT INTO user_roles (user_id, role, granted_at) SELECT id, $7, $6 FROM account RETURNING user_id AS id`,
);

const EXISTS = statement<{ id: string }>("demo_user_exists", "SELECT id FROM users WHERE email = $1");

export async function userExists(db: Database, email: string): Promise<boolean> {
  return (await run(db, EXISTS, [email])).length > 0;
}

/** Creates a user without a session, unless the email or the username is taken. */
export async function seedUser(db: Database, user: NewUser, now: Date): Promise<boolean> {
  const values = [user.id, user.email, user.username, user.passwordHash, user.dataPublic, now, DEFAULT_ROLE];
  return (await run(db, SEED, values)).length > 0;
}
