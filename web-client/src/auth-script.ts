import type { ApiCallOptions } from "./api-call.ts";
import type { LoginResult } from "./auth-api.ts";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "./client.ts";
import { AuthError } from "./errors.ts";
import type { AuthUser } from "./people.ts";

/** The functions that `<script src="auth.js">` puts into the page. */
export type AuthScript = {
  /** Once, before the rest. Returns the whole client, `restore()` for one. */
  configAuth(config: Omit<AuthClientOptions, "baseUrl"> & { serverUrl: string }): AuthClient;
  register(email: string, user: string, password: string): Promise<AuthUser>;
  /** The user, or `{ mfaRequired: true, challenge, … }`: then `verifyMfa(challenge, code)` logs in. */
  login(userOrEmail: string, password: string): Promise<LoginResult>;
  verifyMfa(challenge: string, code: string): Promise<AuthUser>;
  logout(): Promise<void>;
  apiCall<T = unknown>(payload: unknown, url: string, options?: ApiCallOptions): Promise<T>;
  AuthError: typeof AuthError;
};

let configured: AuthClient | undefined;

function client(): AuthClient {
  if (configured === undefined) throw new Error("Call configAuth({ serverUrl }) first.");
  return configured;
}

const script: AuthScript = {
  configAuth(config) {
    if (typeof config !== "object" || config === null) throw new TypeError("Call configAuth({ serverUrl: … }).");
    const { serverUrl, ...options } = config;
    configured = createAuthClient({ ...options, baseUrl: serverUrl });
    return configured;
  },
  register: async (email, username, password) => await client().register({ email, username, password }),
  login: async (identifier, password) => await client().login({ identifier, password }),
  verifyMfa: async (challenge, code) => await client().verifyMfa({ challenge, code }),
  logout: async () => await client().logout(),
  apiCall: async (payload, url, options) => await client().apiCall(url, payload, options),
  AuthError,
};

Object.assign(globalThis, script);
