import { AuthError } from "../domain/errors.ts";
import { refuseProblems } from "../domain/validation.ts";
import type { Deps } from "./ports.ts";
import type { Caller } from "./user-data-ports.ts";

export type VaultDeps = Pick<Deps, "vaults" | "clock">;

const MAX_BYTES = 64 * 1024;
/** The largest of `int32`, which nobody comes to. */
const MAX_VERSION = 2 ** 31 - 1;

export async function getVault(deps: VaultDeps, { bearer }: Caller): Promise<{ content: Uint8Array; version: number }> {
  return (await deps.vaults.get(bearer.user.id)) ?? { content: new Uint8Array(), version: 0 };
}

/** The version of what was put. @throws AuthError `validation_failed`, `conflict` when another version is there. */
export async function putVault(
  deps: VaultDeps,
  caller: Caller,
  { content, replacedVersion }: { content: Uint8Array; replacedVersion: number },
): Promise<number> {
  if (content.length > MAX_BYTES) {
    refuseProblems([{ field: "content", problem: `must have at most ${MAX_BYTES} bytes` }]);
  }
  const isVersion = replacedVersion >= 0 && replacedVersion < MAX_VERSION;
  const put = { caller, now: deps.clock.now(), content, replacedVersion };
  const version = isVersion ? await deps.vaults.put(put) : undefined;
  if (version === undefined) {
    throw new AuthError("conflict", { message: "The vault was changed meanwhile. Get it, and put it again." });
  }
  return version;
}
