import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Kms, WrapContext } from "../service/ports.ts";
import type { KmsProvider } from "../service/rewrap-ports.ts";
import { lengthPrefixed } from "./key-wrap.ts";

export type DataKeyCacheOptions = {
  /** For how long a secret is remembered. */
  ttlMs: number;
  maxSecrets?: number;
};

type Opened = NonNullable<Awaited<ReturnType<Kms["unwrap"]>>>;

const MAX_SECRETS = 10_000;

/**
 * Remembers what was wrapped or opened, for a bounded time, so that reading goes on while the provider is away and a busy user's key
 * is not fetched at each call. What does not open is not remembered, and asked for once at a time. A secret is erased when it is
 * forgotten; callers get copies. Who writes asks the provider. Within the time a text may open here whose key was revoked at the provider, or be called current
 * though a newer master key exists.
 */
export function cacheUnwrapped(
  kms: KmsProvider,
  { ttlMs, maxSecrets = MAX_SECRETS }: DataKeyCacheOptions,
): KmsProvider {
  const known = new LRUCache<string, Opened>({
    max: maxSecrets,
    ttl: ttlMs,
    ttlAutopurge: true,
    updateAgeOnGet: false,
    dispose: ({ secret }) => secret.fill(0),
  });
  const asked = new Map<string, Promise<Opened | undefined>>();

  function ask(key: string, wrapped: string, context: WrapContext): Promise<Opened | undefined> {
    const answer = kms
      .unwrap(wrapped, context)
      .then((opened) => {
        if (opened !== undefined) known.set(key, copyOf(opened));
        return opened;
      })
      .finally(() => asked.delete(key));
    asked.set(key, answer);
    return answer;
  }

  return {
    async wrap(secret, context) {
      const wrapped = await kms.wrap(secret, context);
      known.set(keyOf(wrapped, context), copyOf({ secret, isCurrent: true }));
      return wrapped;
    },

    async unwrap(wrapped, context, { remembered = true } = {}) {
      const key = keyOf(wrapped, context);
      const opened =
        (remembered ? known.get(key) : undefined) ?? (await (asked.get(key) ?? ask(key, wrapped, context)));
      return opened && copyOf(opened);
    },

    rewrap: (wrapped, context) => kms.rewrap(wrapped, context),

    [Symbol.dispose]() {
      known.clear();
      kms[Symbol.dispose]();
    },
  };
}

/** In memory of its own, not in a slab that others share: it can be erased. */
function copyOf({ secret, isCurrent }: { secret: Uint8Array; isCurrent: boolean }): Opened {
  const copy = Buffer.alloc(secret.length);
  copy.set(secret);
  return { secret: copy, isCurrent };
}

/** The text and its context: remembered for one user, it does not open for another. */
function keyOf(wrapped: string, { purpose, subject }: WrapContext): string {
  return createHash("sha256")
    .update(lengthPrefixed([wrapped, purpose, subject]))
    .digest("base64");
}
