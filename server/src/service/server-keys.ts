import type { Deps, Kms, WrapContext } from "./ports.ts";

/** Keys of the server's own, wrapped, one for each purpose. */
export type ServerKeys = {
  find(purpose: string): Promise<string | undefined>;
  /** Stores a key unless there is one. Returns the one that is stored: of several replicas that start together one's is. */
  ensure(purpose: string, wrapped: string): Promise<string>;
};

export type ServerKeyDeps = Pick<Deps, "randomKey"> & { kms: Kms; serverKeys: ServerKeys };

/**
 * Opens the server's key for a purpose; makes it where there is none.
 * @throws AuthError `unavailable` without the KMS, Error when it does not open: another one would not be that of the other replicas.
 */
export async function openServerKey(deps: ServerKeyDeps, purpose: string): Promise<Buffer> {
  const { kms, serverKeys, randomKey } = deps;
  const context = serverKeyContext(purpose);
  const wrapped =
    (await serverKeys.find(purpose)) ?? (await serverKeys.ensure(purpose, await kms.wrap(randomKey(), context)));
  const opened = await kms.unwrap(wrapped, context);
  if (opened !== undefined) return opened.secret;
  throw new Error(
    `the key ${purpose} of the table server_keys was wrapped by another KMS or master key, or was altered`,
  );
}

/** What a server's key is bound to. Users' keys have a prefix of their own: none of them opens as one of these. */
export function serverKeyContext(purpose: string): WrapContext {
  return { purpose: `server-key:${purpose}`, subject: "sello" };
}
