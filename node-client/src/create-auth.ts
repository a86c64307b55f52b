import { type Auth, type AuthOptions, createAuthOn } from "./auth.ts";
import type { ConnectionOptions } from "./connection.ts";
import { createGrpcAuthority } from "./grpc-authority.ts";

export type CreateAuthOptions = ConnectionOptions &
  AuthOptions & {
    /** How long a call may take, attempts included, in milliseconds. Default: 2,000. */
    timeoutMs?: number;
  };

const TIMEOUT_MS = 2_000;

/**
 * Connects this back end with a Sello server, in its own name: the secret of `npm run cli -- create-service-account`. It begins to
 * watch for revocations at once, and goes on through lost connections until it is closed.
 * @throws TypeError for an address or a secret that is none.
 */
export function createAuth(options: CreateAuthOptions): Auth {
  const { address, serviceAccount, tls, timeoutMs = TIMEOUT_MS } = options;
  return createAuthOn(createGrpcAuthority({ address, serviceAccount, tls, timeoutMs }), options);
}
