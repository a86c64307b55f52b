import { AuthError } from "../domain/errors.ts";
import { parseUuid } from "../domain/uuid.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { Client, Deps, Kms, WrapContext } from "./ports.ts";
import { recordTampered, type TamperedDeps } from "./refuse-tampered.ts";

export type UserKeyDeps = Pick<Deps, "kms" | "randomKey">;
/** Whose key, and what for. */
export type UserKeyFor = { userId: string; purpose: string };

const PURPOSE = /^[a-z0-9._-]{1,64}$/;
const PURPOSE_RULE = "must be 1 to 64 of a to z, digits, `.`, `_` and `-`";
const MAX_WRAPPED_LENGTH = 1024;

/** A random 256-bit key, as it is and wrapped. Nothing of it is kept. @throws AuthError `validation_failed`, `unavailable`. */
export async function createUserKey(
  deps: UserKeyDeps,
  input: UserKeyFor,
): Promise<{ key: Buffer; wrappedKey: string }> {
  const context = wrapContext(input);
  const key = deps.randomKey();
  return { key, wrappedKey: await deps.kms.wrap(key, context) };
}

/**
 * Opens a wrapped key for the user and the purpose that it was made for, and for no other. It comes wrapped anew when its master
 * key is not the newest. One that does not open is recorded: it was altered, or moved to another user or purpose, wherever it is kept.
 * @throws AuthError `validation_failed`, `unavailable`.
 */
export async function decryptUserKey(
  deps: Pick<UserKeyDeps, "kms"> & TamperedDeps,
  caller: { client: Client; accountId: string },
  { wrappedKey, ...input }: UserKeyFor & { wrappedKey: string },
): Promise<{ key: Buffer; rewrappedKey: string | undefined }> {
  const context = wrapContext(input);
  const opened = wrappedKey.length > MAX_WRAPPED_LENGTH ? undefined : await deps.kms.unwrap(wrappedKey, context);
  if (opened === undefined) {
    const reader = { client: caller.client, actorId: caller.accountId, userId: input.userId };
    await recordTampered(deps, reader, `a wrapped key for ${input.purpose}`);
    throw new AuthError("validation_failed", {
      message: "wrapped_key: does not open; it must be as CreateUserKey returned it, for the same user_id and purpose",
    });
  }
  const { secret, isCurrent } = opened;
  return { key: secret, rewrappedKey: isCurrent ? undefined : await wrapIfThere(deps.kms, secret, context) };
}

/** A newer wrap can wait for a KMS that is away: the key was remembered, and opens. */
async function wrapIfThere(kms: Kms, secret: Buffer, context: WrapContext): Promise<string | undefined> {
  try {
    return await kms.wrap(secret, context);
  } catch (error) {
    if (error instanceof AuthError && error.reason === "unavailable") return undefined;
    throw error;
  }
}

/** No purpose of the server's own has this prefix: what it wraps for itself opens for nobody else. */
function wrapContext({ userId, purpose }: UserKeyFor): WrapContext {
  const problems: Problems = [];
  const subject = parseUuid(userId);
  if (subject === undefined) problems.push({ field: "user_id", problem: "must be a UUID" });
  if (!PURPOSE.test(purpose)) problems.push({ field: "purpose", problem: PURPOSE_RULE });
  refuseProblems(problems);
  return { purpose: `user-key:${purpose}`, subject: subject as string };
}
