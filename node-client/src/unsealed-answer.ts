import { AuthError } from "./errors.ts";

/**
 * The call was carried out and its answer cannot be told. Never with the code of an envelope or a channel: those tell a client
 * that nothing was done, and it would call again.
 */
export function unsealedAnswer(cause: unknown): AuthError {
  return new AuthError("internal", { message: "The call was made, but its answer could not be sealed.", cause });
}
