import type { AuditEvent, AuditFilter, AuditTrail } from "../service/audit-ports.ts";
import { type Database, run, type Statement, statement } from "./database.ts";

type Row = {
  id: string;
  occurred_at: Date;
  type: string;
  result: string;
  actor_id: string | null;
  subject_id: string | null;
  session_id: string | null;
  ip: string | null;
  user_agent: string;
  request_id: string;
  detail: Record<string, unknown>;
};

/** What each filter asks for; `$` is its parameter. */
const CONDITIONS: Record<keyof AuditFilter, string> = {
  type: "type = $::text",
  actorId: "actor_id = $::uuid",
  subjectId: "subject_id = $::uuid",
  sessionId: "session_id = $::uuid",
  from: "occurred_at >= $::timestamptz",
  to: "occurred_at < $::timestamptz",
};
const FILTERS = Object.keys(CONDITIONS) as (keyof AuditFilter)[];

/** Each combination of filters is a statement of its own: one for all of them could use no index. */
const statements = new Map<string, Statement<Row>>();

export function createAuditTrail(db: Database): AuditTrail {
  return {
    async list({ filter, limit, after }) {
      const used = FILTERS.filter((name) => filter[name] !== undefined);
      const values = [limit, ...used.map((name) => filter[name]), ...(after === undefined ? [] : [after])];
      return (await run(db, listStatement(used, after !== undefined), values)).map(toEvent);
    },
  };
}

function listStatement(used: (keyof AuditFilter)[], paged: boolean): Statement<Row> {
  const name = ["audit_list", ...used, ...(paged ? ["after"] : [])].join("_");
  const known = statements.get(name);
  if (known !== undefined) return known;
  const conditions = [...used.map((filter) => CONDITIONS[filter]), ...(paged ? ["id < $::bigint"] : [])];
  const where = conditions.map((condition, index) => condition.replace("$", `$${index + 2}`)).join(" AND ");
  const made = statement<Row>(
    name,
    `SELECT id, occurred_at, type, result, actor_id, subject_id, session_id, host(ip) AS ip, user_agent, request_id, detail
    FROM audit_events ${where === "" ? "" : `WHERE ${where}`} ORDER BY id DESC LIMIT $1::int`,
  );
  statements.set(name, made);
  return made;
}

function toEvent(row: Row): AuditEvent {
  return {
    id: row.id,
    occurredAt: row.occurred_at,
    type: row.type,
    result: row.result,
    actorId: row.actor_id ?? undefined,
    subjectId: row.subject_id ?? undefined,
    sessionId: row.session_id ?? undefined,
    ip: row.ip ?? undefined,
    userAgent: row.user_agent,
    requestId: row.request_id,
    detail: row.detail,
  };
}
