import { AuthError } from "../domain/errors.ts";
import { refuseProblems } from "../domain/validation.ts";
import type { Bearer, Client, Deps, SessionRecord } from "./ports.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export type SessionPage = { sessions: SessionRecord[]; nextPageToken: string };

/** The caller's live sessions, the newest first. */
export async function listSessions(
  deps: Pick<Deps, "sessions" | "clock">,
  bearer: Bearer,
  page: { pageSize: number; pageToken: string },
): Promise<SessionPage> {
  const limit = page.pageSize === 0 ? DEFAULT_PAGE : page.pageSize;
  if (limit < 1 || limit > MAX_PAGE) refuseProblems([{ field: "page_size", problem: `must be 1 to ${MAX_PAGE}` }]);
  const after = page.pageToken === "" ? undefined : parsePageToken(page.pageToken);
  const rows = await deps.sessions.list({ userId: bearer.user.id, now: deps.clock.now(), limit: limit + 1, after });
  const sessions = rows.slice(0, limit);
  const last = rows.length > limit ? sessions.at(-1) : undefined;
  return { sessions, nextPageToken: last === undefined ? "" : `${last.createdAt.getTime()}.${last.id}` };
}

/** Ends one of the caller's sessions. @throws AuthError `not_found`. */
export async function revokeSession(
  deps: Pick<Deps, "sessions" | "clock">,
  caller: { client: Client; bearer: Bearer },
  sessionId: string,
): Promise<void> {
  if (!UUID.test(sessionId)) refuseProblems([{ field: "session_id", problem: "must be the id of a session" }]);
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

function parsePageToken(token: string): { createdAt: Date; id: string } {
  const [millis = "", id = ""] = token.split(".", 2);
  const createdAt = new Date(Number(millis));
  if (!/^\d{1,15}$/.test(millis) || !UUID.test(id) || Number.isNaN(createdAt.getTime())) {
    refuseProblems([{ field: "page_token", problem: "must be the next_page_token of an answer" }]);
  }
  return { createdAt, id };
}
