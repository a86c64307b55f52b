import { AuthError } from "../domain/errors.ts";
import type { ServiceAccount } from "./backend-ports.ts";
import type { Deps } from "./ports.ts";

export type AuthenticateServiceDeps = Pick<Deps, "serviceAccounts" | "serviceSecrets">;
export type ServiceCredentials = {
  secret: string;
  /** The SHA-256 of the certificate that the connection was opened with. */
  clientCertificate: Buffer | undefined;
};

/**
 * Whose secret this is. A secret that nobody has, one of a disabled account, and one that came over a connection without the
 * account's certificate are answered alike.
 */
export async function authenticateService(
  deps: AuthenticateServiceDeps,
  { secret, clientCertificate }: ServiceCredentials,
): Promise<ServiceAccount> {
  const hash = deps.serviceSecrets.parse(secret);
  const account = hash && (await deps.serviceAccounts.find(hash));
  if (account === undefined) throw new AuthError("token_invalid", { message: REFUSED });
  const pinned = account.clientCertificate;
  if (pinned !== undefined && clientCertificate?.equals(pinned) !== true) {
    throw new AuthError("token_invalid", { message: REFUSED });
  }
  return account;
}

const REFUSED = "This is not the secret of a service account that may call over this connection.";
