import type { ImportOutcome, UserImports } from "../service/import-ports.ts";
import { type Database, inTransaction, run, statement } from "./database.ts";
import { recordEvent } from "./events.ts";

const ROLE_NAMES = statement<{ name: string }>("role_names", "SELECT name FROM roles");

/**
 * What is looked up is of before the statement: `present` is a user of the same email and username who was there already. Of two in
 * one batch with one email the first is stored.
 */
const ADD = statement<{ outcome: ImportOutcome }>(
  "import_users",
  `WITH given AS (
    SELECT number, id, email, username, lower(username COLLATE "C") AS username_key, password_hash, email_verified, roles, data_public, created_at
    FROM jsonb_to_recordset($1::jsonb) AS line (
      number integer, id uuid, email text, username text, password_hash text, email_verified boolean, roles text[],
      data_public jsonb, created_at timestamptz
    )
  ), added AS (
    INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, email_verified, data_public, created_at)
    SELECT id, email, username, username_key, password_hash, $2, email_verified, data_public, created_at FROM given ORDER BY number
    ON CONFLICT DO NOTHING
    RETURNING id, email
  ), stored AS (
    SELECT added.id, given.roles FROM added JOIN given USING (id, email)
  ), granted AS (
    INSERT INTO user_roles (user_id, role, granted_at)
    SELECT id, unnest(roles), $2 FROM stored
  ), ${recordEvent({
    type: "user.imported",
    result: "success",
    from: "stored",
    now: "$2::timestamptz",
    actor: "NULL::uuid",
    subject: "id",
    session: "NULL::uuid",
    ip: "NULL::inet",
    userAgent: "'cli'",
    requestId: "''",
    detail: "jsonb_build_object('by', 'cli', 'roles', roles)",
  })}
  SELECT CASE
    WHEN EXISTS (SELECT FROM added WHERE added.id = given.id AND added.email = given.email) THEN 'imported'
    WHEN EXISTS (SELECT FROM users WHERE users.email = given.email AND users.username_key = given.username_key) THEN 'present'
    ELSE 'taken'
  END AS outcome
  FROM given ORDER BY number`,
);

/** Thrown to undo what a dry run wrote. */
class DryRun extends Error {
  readonly outcomes: ImportOutcome[];
  constructor(outcomes: ImportOutcome[]) {
    super("a dry run");
    this.outcomes = outcomes;
  }
}

export function createUserImports(db: Database): UserImports {
  return {
    async roleNames() {
      return (await run(db, ROLE_NAMES, [])).map(({ name }) => name);
    },

    async add(users, { now, dryRun }) {
      const given = users.map((user, number) => ({
        number,
        id: user.id,
        email: user.email,
        username: user.username,
        password_hash: user.passwordHash,
        email_verified: user.emailVerified,
        roles: user.roles,
        data_public: user.dataPublic,
        created_at: user.createdAt,
      }));
      return inTransaction(db, async (transaction) => {
        const rows = await run(transaction, ADD, [JSON.stringify(given), now]);
        const outcomes = rows.map(({ outcome }) => outcome);
        if (dryRun) throw new DryRun(outcomes);
        return outcomes;
      }).catch((error: unknown) => {
        if (error instanceof DryRun) return error.outcomes;
        throw error;
      });
    },
  };
}
