import { AuthError } from "./errors.ts";
import type { Session } from "./session.ts";
import { toAuthError } from "./to-auth-error.ts";
import type { Authorize } from "./transport.ts";

const REFUSED = ["token_expired", "token_invalid", "token_revoked", "token_missing"];

/**
 * A call with the session's token, made once more when that was refused and another is to be had. Never in another name: a
 * refresh finds whose session the cookie is now, and another tab may have changed that.
 */
export function createAuthorize(session: Session): Authorize {
  const checkCaller = (caller: string | undefined) => {
    const now = session.state.user?.id;
    const changed = caller !== undefined && now !== undefined && now !== caller;
    if (changed) throw new AuthError("user_changed", "Somebody else has logged in here.");
  };
  return async (signal, call) => {
    const before = session.state.user?.id;
    const token = await session.token(signal);
    checkCaller(before);
    const caller = session.state.user?.id;
    try {
      return await call(token);
    } catch (error) {
      if (token === undefined || !REFUSED.includes(toAuthError(error).code)) throw error;
      const next = await session.tokenAfter(token, signal);
      if (next === undefined) throw session.state.endedBy ?? error;
      checkCaller(caller);
      return await call(next);
    }
  };
}
