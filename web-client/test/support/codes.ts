import { AuthError } from "../../src/index.ts";

/** The code with which a call fails. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "none";
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
}
