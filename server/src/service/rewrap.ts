import type { WrapContext } from "./ports.ts";
import type { Rewrapper } from "./rewrap-ports.ts";

/** A wrapped key where it is stored. */
export type StoredKey = {
  /** Names the row, and says where the next page begins. */
  id: string;
  wrapped: string;
  /** What it was wrapped for, as the row says: one that was moved to another user or purpose does not open. */
  context: WrapContext;
};

/** The wrapped keys of one table. */
export type WrappedKeys = {
  /** Those behind `after`, in the order of their ids; fewer than `limit` are the last. */
  page(after: string | undefined, limit: number): Promise<StoredKey[]>;
  /** Stores `fresh` where `old` still stands. False when the row was changed or deleted meanwhile. */
  replace(id: string, old: string, fresh: string): Promise<boolean>;
};

export type RewrapResult = {
  /** Now under the newest master key, and not before. */
  rewrapped: number;
  /** Under the newest master key already. */
  current: number;
  /** Changed or deleted by somebody else meanwhile: what they wrote is newer. */
  changed: number;
  /** The rows that do not open: damaged, moved, or wrapped by a KMS or master key that is not configured. */
  failed: string[];
};

const PAGE = 100;
/** As many at once as a remote KMS answers without being pressed. */
const AT_ONCE = 8;

/**
 * Takes every wrapped key of a table to the newest master key, beside a running server. It may be stopped at any time and begun
 * anew: what is done stays done. A row that does not open is left as it is, and reported.
 * @throws AuthError `unavailable` when the KMS or the database goes away half-way.
 */
export async function rewrapAll(kms: Rewrapper, keys: WrappedKeys): Promise<RewrapResult> {
  const result: RewrapResult = { rewrapped: 0, current: 0, changed: 0, failed: [] };
  let after: string | undefined;
  let page: StoredKey[];
  do {
    page = await keys.page(after, PAGE);
    for (let first = 0; first < page.length; first += AT_ONCE) {
      const some = page.slice(first, first + AT_ONCE);
      const outcomes = await Promise.all(some.map((key) => rewrapOne(kms, keys, key)));
      for (const { id, outcome } of outcomes) {
        if (outcome === "failed") result.failed.push(id);
        else result[outcome] += 1;
      }
    }
    after = page.at(-1)?.id;
  } while (page.length === PAGE);
  return result;
}

type Outcome = "rewrapped" | "current" | "changed" | "failed";

async function rewrapOne(
  kms: Rewrapper,
  keys: WrappedKeys,
  { id, wrapped, context }: StoredKey,
): Promise<{ id: string; outcome: Outcome }> {
  const fresh = await kms.rewrap(wrapped, context);
  if (fresh === undefined) return { id, outcome: "failed" };
  if (fresh === wrapped) return { id, outcome: "current" };
  return { id, outcome: (await keys.replace(id, wrapped, fresh)) ? "rewrapped" : "changed" };
}
