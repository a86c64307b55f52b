export type { ApiCall, ApiCallOptions } from "./api-call.ts";
export type { AuthApi, CallOptions, Registration } from "./auth-api.ts";
export { type AuthClient, type AuthClientOptions, createAuthClient } from "./client.ts";
export { AuthError, type AuthErrorCode, type ClientErrorCode, type ServerErrorCode } from "./errors.ts";
export type { AuthSession, AuthUser } from "./people.ts";
export type { Pins } from "./pins.ts";
export type { EnvelopeMode, Exchange } from "./sealing.ts";
export type { AuthState } from "./session.ts";
export { createVault, type OpenVault, type Vault } from "./vault.ts";
