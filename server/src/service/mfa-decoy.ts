import type { MfaDecoy } from "./mfa-ports.ts";
import type { Deps } from "./ports.ts";

/** No user has it: the ids of users are random. */
const NOBODY = "00000000-0000-0000-0000-000000000000";

/** Wraps a secret once, with the first try that needs it: opening it then costs what opening a user's does. */
export function createMfaDecoy({ kms, totp }: Pick<Deps, "kms" | "totp">): MfaDecoy {
  let kept: Promise<string> | undefined;
  const wrapOne = () => {
    const made = kms.wrap(totp.newSecret(), { purpose: "totp", subject: NOBODY });
    made.catch(() => {
      kept = undefined;
    });
    return made;
  };
  return async () => {
    kept ??= wrapOne();
    return { userId: NOBODY, secretWrapped: await kept };
  };
}
