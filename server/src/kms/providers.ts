import type { KmsProvider } from "../service/rewrap-ports.ts";
import { rewrapAcross } from "./rewrap-here.ts";

/** A provider that is open, and how its texts begin. */
export type OpenProvider = { kms: KmsProvider; prefix: string };

/**
 * One KMS of several: `wrapping` wraps, and each opens what it wrapped itself. What another one wrapped is never current. A text of
 * a provider that is not among them does not open.
 */
export function combineProviders(wrapping: OpenProvider, opening: OpenProvider[]): KmsProvider {
  const all = [wrapping, ...opening];
  const find = (wrapped: string) => all.find(({ prefix }) => wrapped.startsWith(prefix));
  return {
    wrap: (secret, context) => wrapping.kms.wrap(secret, context),

    async unwrap(wrapped, context, how) {
      const owner = find(wrapped);
      const opened = await owner?.kms.unwrap(wrapped, context, how);
      return opened && { secret: opened.secret, isCurrent: opened.isCurrent && owner === wrapping };
    },

    async rewrap(wrapped, context) {
      const owner = find(wrapped);
      if (owner === wrapping) return wrapping.kms.rewrap(wrapped, context);
      return owner && rewrapAcross({ from: owner.kms, to: wrapping.kms }, wrapped, context);
    },

    [Symbol.dispose]() {
      for (const { kms } of all) kms[Symbol.dispose]();
    },
  };
}
