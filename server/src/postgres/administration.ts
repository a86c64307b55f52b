import { type Authority, canAdminister, OPERATOR } from "../domain/authority.ts";
import { AuthError } from "../domain/errors.ts";
import { isGranted } from "../domain/permissions.ts";
import type { Act, AdminCaller, AdminEvent, Administration } from "../service/administration-ports.ts";
import { createOneAtATime } from "../service/one-at-a-time.ts";
import { createAdminLists } from "./admin-lists.ts";
import { createRoleActs } from "./admin-roles.ts";
import { createUserActs } from "./admin-users.ts";
import { ANSWER_MS, type Database, inTransaction, type Queryable, run, runOne, statement } from "./database.ts";
import { recordEvent } from "./events.ts";
import { removeFactors } from "./mfa-codes.ts";
import { isAlive } from "./session-end.ts";

/**
 * "admin", as a number. The lock ends with the transaction, and so does the setting: an act looks up few rows, and the planner, which
 * cannot know that few users administer, would rather look through all of them.
 */
const LOCK = statement(
  "lock_administration",
  "SELECT pg_advisory_xact_lock(418413471086), set_config('enable_seqscan', 'off', true)",
);

const FIND_CALLER = statement<Authority>(
  "find_acting_admin",
  `SELECT grants.roles, grants.permissions
  FROM sessions JOIN users ON users.id = sessions.user_id CROSS JOIN LATERAL effective_grants(users.id) AS grants
  WHERE sessions.id = $1 AND users.id = $2 AND ${isAlive("$3::timestamptz")} AND users.disabled_at IS NULL`,
);

/** What the role `admin` comes to, and whether a user who is not disabled holds it, inherited or assigned. */
const FIND_ADMINISTRATORS = statement<{ permissions: string[]; held: boolean }>(
  "find_administrators",
  `WITH RECURSIVE holding (role) AS (
    SELECT 'admin'
    UNION
    SELECT role_parents.role FROM holding JOIN role_parents ON role_parents.parent = holding.role
  )
  SELECT grants.permissions, EXISTS (
    SELECT FROM holding
    CROSS JOIN LATERAL (SELECT user_id FROM user_roles WHERE user_roles.role = holding.role OFFSET 0) AS holder
    CROSS JOIN LATERAL (SELECT FROM users WHERE users.id = holder.user_id AND users.disabled_at IS NULL OFFSET 0) AS enabled
  ) AS held
  FROM grants_of_roles(ARRAY['admin']) AS grants`,
);

const TYPES: AdminEvent[] = [
  "user.created",
  "user.updated",
  "user.disabled",
  "user.enabled",
  "user.deleted",
  "user.sessions_revoked",
  "role.created",
  "role.updated",
  "role.deleted",
  "role.assigned",
  "role.revoked",
];
const RECORD = new Map(TYPES.map((type) => [type, recordStatement(type)]));

function recordStatement(type: AdminEvent) {
  return statement(
    `record_${type.replace(".", "_")}`,
    `WITH act AS (SELECT $5::uuid AS subject, $6::jsonb AS detail), ${recordEvent({
      type,
      result: "success",
      from: "act",
      now: "$1::timestamptz",
      actor: "$7::uuid",
      subject: "subject",
      session: "$8::uuid",
      ip: "$2::inet",
      userAgent: "$3::text",
      requestId: "$4::text",
      detail: "detail",
    })} SELECT 1`,
  );
}

/** A refresh takes a token and then its session, a deletion the session and then its tokens: one of them begins again. */
const DEADLOCK = "40P01";
const MAX_TRIES = 3;

export function createAdministration(db: Database): Administration {
  const oneAtATime = createOneAtATime();
  /** Acts of this process wait here, and not for the lock, on every connection of the pool. No longer than for a statement. */
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + ANSWER_MS;
    return oneAtATime("act", () => {
      if (performance.now() > deadline) throw new AuthError("unavailable");
      return task();
    });
  }

  return {
    ...createAdminLists(db),

    async act(caller, { permission, now }, task) {
      const once = () =>
        inTransaction(db, async (transaction) => {
          await run(transaction, LOCK, []);
          const authority = await findAuthority(transaction, caller, now);
          if (!isGranted(authority.permissions, permission)) {
            throw new AuthError("forbidden", { message: `This needs the permission ${permission}.` });
          }
          const wasAdministered = await isAdministered(transaction);
          const result = await task(createAct(transaction, { caller, authority, now }));
          if (wasAdministered && !(await isAdministered(transaction))) {
            throw new AuthError("conflict", { message: "Nobody would be left who administers the service." });
          }
          return result;
        });
      return inTurn(async () => {
        for (let tries = 1; ; tries++) {
          try {
            return await once();
          } catch (error) {
            if (tries === MAX_TRIES || !isDeadlock(error)) throw error;
          }
        }
      });
    },
  };
}

async function findAuthority(transaction: Queryable, { bearer }: AdminCaller, now: Date): Promise<Authority> {
  if (bearer === undefined) return OPERATOR;
  const authority = await runOne(transaction, FIND_CALLER, [bearer.sessionId, bearer.user.id, now]);
  if (authority === undefined) throw new AuthError("token_revoked");
  return authority;
}

async function isAdministered(transaction: Queryable): Promise<boolean> {
  const row = await runOne(transaction, FIND_ADMINISTRATORS, []);
  return row?.held === true && canAdminister(row.permissions);
}

function createAct(
  transaction: Queryable,
  { caller, authority, now }: { caller: AdminCaller; authority: Authority; now: Date },
): Act {
  const { client, bearer } = caller;
  // At the command line there is no address: an empty text is none.
  const ip = client.ip === "" ? null : client.ip;
  return {
    authority,
    now,
    ...createUserActs(transaction, now),
    ...createRoleActs(transaction, now),
    async removeFactors(userId) {
      await removeFactors(transaction, userId);
    },

    async record({ type, subjectId, detail = {} }) {
      const query = RECORD.get(type);
      if (query === undefined) throw new Error(`there is no statement that records ${type}`);
      const who = [bearer?.user.id ?? null, bearer?.sessionId ?? null];
      await run(transaction, query, [now, ip, client.userAgent, client.requestId, subjectId ?? null, detail, ...who]);
    },
  };
}

function isDeadlock(error: unknown): boolean {
  return error instanceof AuthError && (error.cause as { code?: string } | undefined)?.code === DEADLOCK;
}
