import { AuthError } from "../domain/errors.ts";
import { decideRefresh } from "../domain/refresh.ts";
import { refreshLifeS } from "../domain/session.ts";
import { issueTokens, type Tokens } from "./grant.ts";
import { userOf } from "./grants.ts";
import type { Client, Deps } from "./ports.ts";
import type { RefreshSecret } from "./token-ports.ts";

export type RefreshDeps = Pick<Deps, "sessions" | "accessTokens" | "refreshTokens" | "grants" | "clock" | "settings">;

export async function refreshToken(deps: RefreshDeps, client: Client, token: string): Promise<Tokens> {
  const old = deps.refreshTokens.parse(token);
  if (old === undefined) throw new AuthError("refresh_invalid");

  const successor = deps.refreshTokens.create();
  const now = deps.clock.now();
  const rotated = await deps.sessions.rotate({
    hash: old.hash,
    successorHash: successor.hash,
    successorSealed: deps.refreshTokens.sealSuccessor(old, successor),
    successorLifeS: refreshLifeS(deps.settings),
    now,
  });
  if (rotated === undefined) return answerUnrotated(deps, client, { old, now });
  return issueTokens(deps, { ...rotated, user: await userOf(deps, rotated), refreshToken: successor.token, now });
}

/** A lost answer or a second tab gets the same successor again; a replay ends the session. */
async function answerUnrotated(
  deps: RefreshDeps,
  client: Client,
  { old, now }: { old: RefreshSecret; now: Date },
): Promise<Tokens> {
  const stored = await deps.sessions.findRefresh(old.hash);
  const decision = decideRefresh(stored, now, deps.settings.refreshRetryGraceS);
  if (stored === undefined || decision === "refresh_invalid") throw new AuthError("refresh_invalid");
  if (decision === "refresh_reused") await deps.sessions.endReused(stored.sessionId, client, now);
  if (decision !== "retry" || stored.successorSealed === null || stored.successorExpiresAt === null) {
    throw new AuthError(decision === "retry" ? "refresh_invalid" : decision);
  }
  return issueTokens(deps, {
    user: await userOf(deps, stored),
    sessionId: stored.sessionId,
    authenticatedAt: stored.authenticatedAt,
    refreshToken: deps.refreshTokens.openSuccessor(old, stored.successorSealed),
    refreshExpiresAt: stored.successorExpiresAt,
    now,
  });
}
