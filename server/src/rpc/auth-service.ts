import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { AuthError } from "../domain/errors.ts";
import { changePassword } from "../service/change-password.ts";
import type { Grant, Tokens } from "../service/grant.ts";
import { type Challenge, login } from "../service/login.ts";
import { logout } from "../service/logout.ts";
import type { Deps } from "../service/ports.ts";
import { reauthenticate } from "../service/reauthenticate.ts";
import { refreshToken } from "../service/refresh-token.ts";
import { register } from "../service/register.ts";
import { listSessions, revokeSession } from "../service/sessions.ts";
import { verifyMfa } from "../service/verify-mfa.ts";
import { bearerToken } from "./access-interceptor.ts";
import { challengeMembers, sessionMessage, tokenMembers, userMessage } from "./auth-messages.ts";
import { callerOf } from "./caller.ts";
import { bearerOf, edgeOf } from "./edge.ts";
import { toStoredPublicData } from "./public-data.ts";
import type { RefreshCookie } from "./refresh-cookie.ts";

export function createAuthService(deps: Deps, cookie: RefreshCookie): ServiceImpl<typeof AuthService> {
  const hand = (tokens: Tokens, context: HandlerContext, asCookie: boolean) => {
    if (asCookie) cookie.write(edgeOf(context), context.responseHeader, tokens.refreshToken, tokens.refreshExpiresInS);
    return tokenMembers(tokens, { asCookie });
  };
  const grantMembers = (grant: Grant, context: HandlerContext, asCookie: boolean) => ({
    ...hand(grant.tokens, context, asCookie),
    user: userMessage(grant.user),
  });

  return {
    async register({ email, username, password, dataPublic, useCookie }, context) {
      const stored = toStoredPublicData(dataPublic);
      const input = { email, username, password, dataPublic: stored, signal: context.signal };
      const { client } = edgeOf(context);
      const grant = await deps.hasher.admit(() => register(deps, client, input));
      return grantMembers(grant, context, useCookie);
    },

    async login({ identifier, email, username, password, useCookie }, context) {
      const input = { identifier: onlyName([identifier, email, username]), password, signal: context.signal };
      const { client } = edgeOf(context);
      const result = await deps.hasher.admit(() => login(deps, client, input));
      return isChallenge(result) ? challengeMembers(result) : grantMembers(result, context, useCookie);
    },

    async verifyMfa({ mfaChallenge, code, useCookie }, context) {
      const grant = await verifyMfa(deps, edgeOf(context).client, { challenge: mfaChallenge, code });
      return grantMembers(grant, context, useCookie);
    },

    async reauthenticate({ password, code }, context) {
      const input = { password, code, signal: context.signal };
      const { accessToken, expiresInS } = await deps.hasher.admit(() => reauthenticate(deps, callerOf(context), input));
      return { accessToken, tokenType: "Bearer", expiresIn: expiresInS };
    },

    // A token that came as a cookie goes back as one: no script may ever read it.
    async refreshToken({ refreshToken: sent, useCookie }, context) {
      const kept = sent === "" ? cookie.read(edgeOf(context), context.requestHeader) : undefined;
      if (sent === "" && kept === undefined) throw new AuthError("refresh_invalid", { message: NO_REFRESH_TOKEN });
      const tokens = await refreshToken(deps, edgeOf(context).client, kept ?? sent);
      return hand(tokens, context, useCookie || kept !== undefined);
    },

    // The browser is told to forget its cookie, so the session of that one ends too.
    async logout({ refreshToken: sent }, context) {
      const kept = cookie.read(edgeOf(context), context.requestHeader);
      const accessToken = bearerToken(context.requestHeader);
      await logout(deps, edgeOf(context).client, { refreshTokens: [sent, kept ?? ""], accessToken });
      if (kept !== undefined) cookie.clear(edgeOf(context), context.responseHeader);
      return {};
    },

    getMe(_request, context) {
      return { user: userMessage(bearerOf(context).user) };
    },

    async changePassword({ currentPassword, newPassword }, context) {
      const input = { currentPassword, newPassword, signal: context.signal };
      return { revokedSessions: await deps.hasher.admit(() => changePassword(deps, callerOf(context), input)) };
    },

    async listSessions({ pageSize, pageToken }, context) {
      const bearer = bearerOf(context);
      const { sessions, nextPageToken } = await listSessions(deps, bearer, { pageSize, pageToken });
      return { sessions: sessions.map((session) => sessionMessage(session, bearer.sessionId)), nextPageToken };
    },

    async revokeSession({ sessionId }, context) {
      await revokeSession(deps, callerOf(context), sessionId);
      return {};
    },
  };
}

const NO_REFRESH_TOKEN =
  "There is no session to go on with: log in. (A cookie counts only in a JSON or Connect call from an allowed origin.)";

function isChallenge(result: Grant | Challenge): result is Challenge {
  return "challenge" in result;
}

/** The aliases are one field: whoever fills two of them means one person. */
function onlyName(names: string[]): string {
  const given = new Set(names.filter((name) => name !== ""));
  if (given.size > 1) {
    throw new AuthError("validation_failed", { message: "identifier: send one of identifier, email and username." });
  }
  return [...given][0] ?? "";
}
