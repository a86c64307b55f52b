import { addSeconds, refreshLifeS, secondsUntil, sessionEnd } from "../domain/session.ts";
import type { User } from "../domain/user.ts";
import type { Client, Deps, NewSession } from "./ports.ts";
import type { RefreshSecret } from "./token-ports.ts";

/** The tokens of a session, as a client receives them. */
export type Tokens = {
  accessToken: string;
  expiresInS: number;
  refreshToken: string;
  refreshExpiresInS: number;
};

/** Tokens with the user they are for. */
export type Grant = { tokens: Tokens; user: User };

export type OpeningSession = { session: NewSession; refresh: RefreshSecret };

/** A session ready to be stored, with its first refresh token. */
export function prepareSession(
  deps: Pick<Deps, "ids" | "refreshTokens" | "settings">,
  client: Client,
  now: Date,
): OpeningSession {
  const refresh = deps.refreshTokens.create();
  const expiresAt = sessionEnd(now, deps.settings);
  const refreshEnd = addSeconds(now, refreshLifeS(deps.settings));
  return {
    refresh,
    session: {
      id: deps.ids.uuid(),
      client,
      now,
      expiresAt,
      refreshHash: refresh.hash,
      refreshExpiresAt: new Date(Math.min(refreshEnd.getTime(), expiresAt.getTime())),
    },
  };
}

/** Issues the access token that goes with a refresh token. */
export async function issueTokens(
  deps: Pick<Deps, "accessTokens" | "settings">,
  grant: {
    user: User;
    sessionId: string;
    authenticatedAt: Date;
    refreshToken: string;
    refreshExpiresAt: Date;
    now: Date;
  },
): Promise<Tokens> {
  return {
    accessToken: await deps.accessTokens.issue(grant.user, {
      id: grant.sessionId,
      authenticatedAt: grant.authenticatedAt,
    }),
    expiresInS: deps.settings.accessTtlS,
    refreshToken: grant.refreshToken,
    refreshExpiresInS: secondsUntil(grant.refreshExpiresAt, grant.now),
  };
}
