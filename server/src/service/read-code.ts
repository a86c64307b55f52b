import { refuseProblems } from "../domain/validation.ts";
import type { SpentCode } from "./mfa-ports.ts";
import type { Deps } from "./ports.ts";

const MAX_LENGTH = 64;

export type CodeToRead = { userId: string; secretWrapped: string; code: string; now: Date };
/** `unreadable`: the wrapped secret does not open for this user. */
export type ReadCode = SpentCode | "wrong" | "unreadable";

export const factorContext = (userId: string) => ({ purpose: "totp", subject: userId });

/** @throws AuthError `validation_failed` for what nobody means as a code. */
export function refuseNoCode(code: string): void {
  if (code.trim() !== "" && code.length <= MAX_LENGTH) return;
  refuseProblems([{ field: "code", problem: "must be six digits of the authenticator app, or a recovery code" }]);
}

/**
 * What a code would use up, if it is one of this factor, or has the form of a recovery code: whether it is one of the user's
 * own, unused, is asked where it is used up. @throws AuthError `unavailable` when the KMS does not answer.
 */
export async function readCode(
  deps: Pick<Deps, "kms" | "totp" | "mfaSecrets">,
  { userId, secretWrapped, code, now }: CodeToRead,
): Promise<ReadCode> {
  const recoveryHash = deps.mfaSecrets.recoveryCodeHash(code);
  if (recoveryHash !== undefined) return { recoveryHash };
  const digits = code.replaceAll(/[\s-]/g, "");
  const opened = await deps.kms.unwrap(secretWrapped, factorContext(userId));
  if (opened === undefined) return "unreadable";
  const step = deps.totp.stepOf(opened.secret, digits, now);
  opened.secret.fill(0);
  return step === undefined ? "wrong" : { step };
}
