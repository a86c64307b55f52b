import { onTestFinished } from "vitest";
import { newServiceAccount } from "../../../server/test/support/backend.ts";
import type { TestApp } from "../../../server/test/support/start-app.ts";
import { type Auth, AuthError, type CreateAuthOptions, createAuth } from "../../src/index.ts";

export type Client = { auth: Auth; problems: AuthError[] };

/** A client of the server with an account of its own, closed after the test. */
export async function connect(server: TestApp, options: Partial<CreateAuthOptions> = {}): Promise<Client> {
  const problems: AuthError[] = [];
  const auth = createAuth({
    address: server.url,
    serviceAccount: options.serviceAccount ?? (await newServiceAccount(server)),
    onProblem: (error) => problems.push(error),
    ...options,
  });
  onTestFinished(() => auth.close());
  return { auth, problems };
}

/** The code with which a call fails; "none" for one that does not. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "none";
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
}
