import type { AttemptPermit, Deps } from "./ports.ts";

type Attempt = { permit: AttemptPermit; begunAt: Date; password: string; signal: AbortSignal | undefined };

/**
 * Verifies the password of an attempt that was counted. When the hash could not be computed, because the queue was full or
 * the caller went away, the attempt is not counted: only a password that was looked at is a guess. What it says of nobody's
 * password means nothing.
 */
export async function verifyAttempt(
  deps: Pick<Deps, "hasher" | "logins">,
  { permit, begunAt, password, signal }: Attempt,
): Promise<boolean> {
  try {
    return await deps.hasher.verify(permit.passwordHash, password, signal);
  } catch (error) {
    await deps.logins.takeBack(permit.countedAt, begunAt).catch(() => undefined);
    throw error;
  }
}
