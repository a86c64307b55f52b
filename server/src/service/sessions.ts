import { AuthError } from "../domain/errors.ts";
import { parseUuid } from "../domain/uuid.ts";
import { refuseProblems } from "../domain/validation.ts";
import { pageLimit, readPageToken, splitPage, writePageToken } from "./pages.ts";
import type { Bearer, Client, Deps, SessionRecord } from "./ports.ts";

/** When a session was opened, in milliseconds, and its id. */
const POSITION = /^(\d{1,15})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

export type SessionPage = { sessions: SessionRecord[]; nextPageToken: string };

/** The caller's live sessions, the newest first. */
export async function listSessions(
  deps: Pick<Deps, "sessions" | "clock">,
  bearer: Bearer,
  page: { pageSize: number; pageToken: string },
): Promise<SessionPage> {
  const limit = pageLimit(page.pageSize);
  const [millis, id] = readPageToken(page.pageToken, POSITION) ?? [];
  const after = millis === undefined || id === undefined ? undefined : { createdAt: new Date(Number(millis)), id };
  const rows = await deps.sessions.list({ userId: bearer.user.id, now: deps.clock.now(), limit: limit + 1, after });
  const { items, last } = splitPage(rows, limit);
  return { sessions: items, nextPageToken: last ? writePageToken([String(last.createdAt.getTime()), last.id]) : "" };
}

/** Ends one of the caller's sessions. @throws AuthError `not_found`. */
export async function revokeSession(
  deps: Pick<Deps, "sessions" | "clock">,
  caller: { client: Client; bearer: Bearer },
  id: string,
): Promise<void> {
  const sessionId = parseUuid(id);
  if (sessionId === undefined) return refuseProblems([{ field: "session_id", problem: "must be the id of a session" }]);
  const { client, bearer } = caller;
  const found = await deps.sessions.revoke({
    userId: bearer.user.id,
    callerSessionId: bearer.sessionId,
    sessionId,
    client,
    now: deps.clock.now(),
  });
  if (!found) throw new AuthError("not_found", { message: "You have no such session." });
}
