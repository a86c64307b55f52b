import type { Identifier } from "../domain/identifier.ts";
import type { Unlocks } from "../service/unlock-ports.ts";
import { type Database, runOne, statement } from "./database.ts";
import { recordEvent } from "./events.ts";
import { forgiveFailures } from "./lockouts.ts";

const UNLOCK = statement<{ user_id: string }>(
  "unlock_user",
  `WITH account AS (
    SELECT id AS user_id FROM users WHERE id = $1::uuid
  ), ${forgiveFailures("account")}, unlocked AS (
    SELECT user_id, (SELECT count(*) FROM forgivable)::int AS cleared FROM account
  ), ${recordEvent({
    type: "user.unlocked",
    result: "success",
    from: "unlocked",
    now: "$2::timestamptz",
    actor: "$3::uuid",
    subject: "user_id",
    session: "NULL::uuid",
    ip: "$4::inet",
    userAgent: "$5::text",
    requestId: "$6::text",
    detail: `jsonb_build_object('cleared', cleared) || CASE WHEN $3::uuid IS NULL THEN '{"by": "cli"}'::jsonb ELSE '{}'::jsonb END`,
  })}
  SELECT user_id FROM unlocked`,
);

const FIND_BY: Record<Identifier["kind"], { name: string; where: string }> = {
  email: { name: "find_user_by_email", where: "email = $1::text" },
  username: { name: "find_user_by_username", where: "username_key = $1::text" },
  nobody: { name: "find_user_by_nobody", where: "false AND email = $1::text" },
};

export function createUnlocks(db: Database): Unlocks {
  return {
    async findUser({ kind, key }) {
      const { name, where } = FIND_BY[kind];
      return (await runOne(db, statement<{ id: string }>(name, `SELECT id FROM users WHERE ${where}`), [key]))?.id;
    },

    async unlock({ userId, actorId, client, now }) {
      const values = [userId, now, actorId ?? null, client.ip, client.userAgent, client.requestId];
      return (await runOne(db, UNLOCK, values)) !== undefined;
    },
  };
}
