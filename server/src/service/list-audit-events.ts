import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { AuditEvent, AuditFilter } from "./audit-ports.ts";
import type { Deps } from "./ports.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TYPE = /^[a-z_]{1,64}(\.[a-z_]{1,64})?$/;
/** An id that fits into 64 bits. */
const PAGE_TOKEN = /^[1-9]\d{0,17}$/;

/** As callers send it: a text that is empty asks for nothing. */
export type ListAuditEventsInput = {
  pageSize: number;
  pageToken: string;
  type: string;
  actorId: string;
  subjectId: string;
  sessionId: string;
  from: Date | undefined;
  to: Date | undefined;
};

export type AuditPage = { events: AuditEvent[]; nextPageToken: string };

/** Audit events, the newest first. @throws AuthError `validation_failed` that names every field. */
export async function listAuditEvents(deps: Pick<Deps, "auditTrail">, input: ListAuditEventsInput): Promise<AuditPage> {
  refuseBad(input);
  const limit = input.pageSize === 0 ? DEFAULT_PAGE : input.pageSize;
  const filter: AuditFilter = {
    type: input.type || undefined,
    actorId: input.actorId || undefined,
    subjectId: input.subjectId || undefined,
    sessionId: input.sessionId || undefined,
    from: input.from,
    to: input.to,
  };
  const rows = await deps.auditTrail.list({ filter, limit: limit + 1, after: input.pageToken || undefined });
  const events = rows.slice(0, limit);
  return { events, nextPageToken: rows.length > limit ? (events.at(-1)?.id ?? "") : "" };
}

function refuseBad(input: ListAuditEventsInput): void {
  const { pageSize, pageToken, type, from, to } = input;
  const problems: Problems = [];
  const pageSizes = `must be 1 to ${MAX_PAGE}`;
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > MAX_PAGE) {
    problems.push({ field: "page_size", problem: pageSizes });
  }
  if (pageToken !== "" && !PAGE_TOKEN.test(pageToken)) {
    problems.push({ field: "page_token", problem: "must be the next_page_token of an answer" });
  }
  if (type !== "" && !TYPE.test(type)) problems.push({ field: "type", problem: "must be the type of an event" });
  const ids = { actor_id: input.actorId, subject_id: input.subjectId, session_id: input.sessionId };
  for (const [field, id] of Object.entries(ids)) {
    if (id !== "" && !UUID.test(id)) problems.push({ field, problem: "must be a UUID" });
  }
  if (from !== undefined && to !== undefined && from > to) {
    problems.push({ field: "from", problem: "must not be after to" });
  }
  refuseProblems(problems);
}
