import type { Client, Deps } from "./ports.ts";

export type LogoutDeps = Pick<Deps, "sessions" | "accessTokens" | "refreshTokens" | "clock">;
export type LogoutInput = { refreshTokens: string[]; accessToken: string | undefined };

/**
 * Ends the sessions that the tokens name. An expired access token still names its session; a token that means nothing
 * names none, and that is no error: who logs out twice is logged out.
 */
export async function logout(deps: LogoutDeps, client: Client, input: LogoutInput): Promise<void> {
  const refreshHashes = input.refreshTokens.flatMap((token) => deps.refreshTokens.parse(token)?.hash ?? []);
  const access = input.accessToken === undefined ? undefined : await deps.accessTokens.read(input.accessToken);
  if (refreshHashes.length === 0 && access === undefined) return;
  await deps.sessions.logout({ refreshHashes, access, client, now: deps.clock.now() });
}
