import { AuthError } from "../domain/errors.ts";
import type { Client, Deps } from "./ports.ts";

export type TamperedDeps = Pick<Deps, "userData" | "clock">;
/** Whose row it is, and who asked. */
export type Reader = { client: Client; actorId: string; userId: string };

/** Records that something stored did not open though it should: it was moved, changed, or its key is lost. */
export async function recordTampered(deps: TamperedDeps, reader: Reader, what: string): Promise<void> {
  await deps.userData.recordIntegrityFailure({ ...reader, what, now: deps.clock.now() });
}

/** The same, and no more is told to the caller than that it failed. @throws AuthError `internal`. */
export async function refuseTampered(deps: TamperedDeps, reader: Reader, what: string): Promise<never> {
  await recordTampered(deps, reader, what);
  throw new AuthError("internal", { cause: new Error(`${what} of the user ${reader.userId} does not open`) });
}
