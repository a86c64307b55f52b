import { parseUuid } from "../domain/uuid.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { AuditEvent, AuditFilter } from "./audit-ports.ts";
import { pageLimit, readPageToken, splitPage, writePageToken } from "./pages.ts";
import type { Deps } from "./ports.ts";

const TYPE = /^[a-z_]{1,64}(\.[a-z_]{1,64})?$/;
/** An id that fits into 64 bits. */
const POSITION = /^([1-9]\d{0,17})$/;

export type ListAuditEventsInput = { filter: AuditFilter; pageSize: number; pageToken: string };
export type AuditPage = { events: AuditEvent[]; nextPageToken: string };

/** Audit events, the newest first. @throws AuthError `validation_failed`. */
export async function listAuditEvents(deps: Pick<Deps, "auditTrail">, input: ListAuditEventsInput): Promise<AuditPage> {
  const limit = pageLimit(input.pageSize);
  const after = readPageToken(input.pageToken, POSITION)?.[0];
  refuseBad(input.filter);
  const rows = await deps.auditTrail.list({ filter: input.filter, limit: limit + 1, after });
  const { items, last } = splitPage(rows, limit);
  return { events: items, nextPageToken: last === undefined ? "" : writePageToken([last.id]) };
}

function refuseBad({ type, from, to, ...ids }: AuditFilter): void {
  const problems: Problems = [];
  if (type !== undefined && !TYPE.test(type)) problems.push({ field: "type", problem: "must be the type of an event" });
  const named = { actor_id: ids.actorId, subject_id: ids.subjectId, session_id: ids.sessionId };
  for (const [field, id] of Object.entries(named)) {
    if (id !== undefined && parseUuid(id) === undefined) problems.push({ field, problem: "must be a UUID" });
  }
  if (from !== undefined && to !== undefined && from > to) {
    problems.push({ field: "from", problem: "must not be after to" });
  }
  refuseProblems(problems);
}
