import { importJWK, type JWK } from "jose";
import type { Authority } from "./authority.ts";

export type VerifyingKey = { alg: string; key: Awaited<ReturnType<typeof importJWK>> };
export type KeySet = {
  /** The server's signing key of that id. @throws AuthError `unavailable` when the keys cannot be had. */
  find(kid: string): Promise<VerifyingKey | undefined>;
};

/** A key that the server takes back is refused here this much later at the most, */
const FRESH_MS = 60_000;
/** and while the server cannot be asked, the keys it had are believed for so long. */
const STALE_MS = 300_000;
/** Tokens with ids that nobody knows make no more calls than this. */
const COOL_DOWN_MS = 1_000;

/** The server's `sig` keys, fetched when they are needed, and again for an id that is not among them. */
export function createKeySet(authority: Pick<Authority, "jwks">): KeySet {
  let keys = new Map<string, VerifyingKey>();
  let fetchedMs = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;

  async function fetch(): Promise<void> {
    const published = (await authority.jwks()).filter(({ use }) => use === "sig");
    const imported = published.map(async ({ kid, alg, kty, crv, x, y, n, e }) => {
      const jwk = Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value)) as JWK;
      return [kid, { alg, key: await importJWK(jwk, alg) }] as const;
    });
    keys = new Map(await Promise.all(imported));
    fetchedMs = performance.now();
  }

  function refetch(): Promise<void> {
    fetching ??= fetch().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }

  return {
    async find(kid) {
      const ageMs = performance.now() - fetchedMs;
      const isDue = ageMs > FRESH_MS || (!keys.has(kid) && ageMs > COOL_DOWN_MS);
      if (isDue) {
        await refetch().catch((error: unknown) => {
          if (ageMs > STALE_MS) throw error;
        });
      }
      return keys.get(kid);
    },
  };
}
