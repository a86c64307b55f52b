import type { Client } from "@connectrpc/connect";
import type { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { userOf } from "./people.ts";
import type { Grant } from "./session.ts";
import { toAuthError } from "./to-auth-error.ts";

/**
 * Longer than a call may take: a refresh whose answer is thrown away leaves the browser with a used token, and the server
 * takes that again for a few seconds only.
 */
const TIMEOUT_MS = 60_000;
const RETRY_AFTER_MS = [250, 1000];

/**
 * Exchanges the cookie for its successor and says whose session it is: another tab may have logged in as somebody else.
 * A refresh is the one write that is repeated when no answer came, at once, because the server then gives the same successor.
 */
export function createRefresh(open: Client<typeof AuthService>): () => Promise<Grant> {
  return async () => {
    const { accessToken, expiresIn } = await askAgain(() =>
      open.refreshToken({ useCookie: true }, { timeoutMs: TIMEOUT_MS }),
    );
    const { user } = await open.getMe({}, { headers: { authorization: `Bearer ${accessToken}` } });
    return { accessToken, expiresInS: expiresIn, user: userOf(user) };
  };
}

async function askAgain<T>(ask: () => Promise<T>): Promise<T> {
  for (const delayMs of RETRY_AFTER_MS) {
    try {
      return await ask();
    } catch (error) {
      if (toAuthError(error).code !== "offline") throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
  return await ask();
}
