import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { AuditEvent, AuditFilter } from "./audit-ports.ts";
import type { Deps } from "./ports.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TYPE = /^[a-z_]{1,64}(\.[a-z_]{1,64})?$/;
/** An id that fits into 64 bits. */
const PAGE_TOKEN = /^[1-9]\d{0,17}$/;

export type ListAuditEventsInput = { filter: AuditFilter; pageSize: number; pageToken: string };
export type AuditPage = { events: AuditEvent[]; nextPageToken: string };

/** Audit events, the newest first. @throws AuthError `validation_failed` that names every field. */
export async function listAuditEvents(deps: Pick<Deps, "auditTrail">, input: ListAuditEventsInput): Promise<AuditPage> {
  refuseBad(input);
  const limit = input.pageSize === 0 ? DEFAULT_PAGE : input.pageSize;
  const rows = await deps.auditTrail.list({
    filter: input.filter,
    limit: limit + 1,
    after: input.pageToken || undefined,
  });
  const events = rows.slice(0, limit);
  return { events, nextPageToken: rows.length > limit ? (events.at(-1)?.id ?? "") : "" };
}

function refuseBad(input: ListAuditEventsInput): void {
  const { pageSize, pageToken, filter } = input;
  const { type, from, to } = filter;
  const problems: Problems = [];
  const pageSizes = `must be 1 to ${MAX_PAGE}`;
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > MAX_PAGE) {
    problems.push({ field: "page_size", problem: pageSizes });
  }
  if (pageToken !== "" && !PAGE_TOKEN.test(pageToken)) {
    problems.push({ field: "page_token", problem: "must be the next_page_token of an answer" });
  }
  if (type !== undefined && !TYPE.test(type)) problems.push({ field: "type", problem: "must be the type of an event" });
  const ids = { actor_id: filter.actorId, subject_id: filter.subjectId, session_id: filter.sessionId };
  for (const [field, id] of Object.entries(ids)) {
    if (id !== undefined && !UUID.test(id)) problems.push({ field, problem: "must be a UUID" });
  }
  if (from !== undefined && to !== undefined && from > to) {
    problems.push({ field: "from", problem: "must not be after to" });
  }
  refuseProblems(problems);
}
