import { addressBucket } from "../domain/address.ts";
import { AuthError } from "../domain/errors.ts";

/** What the bodies that are on their way may hold of the memory, all together and from one address. */
export type BodyBudget = {
  /** Bytes that came from a client. Give back what was taken when the body is complete, or given up. @throws AuthError `overloaded` */
  take(ip: string, bytes: number): void;
  giveBack(ip: string, bytes: number): void;
};

const ADDRESS_BYTES = 16 * 1024 * 1024;
/** Addresses that may hoard all they are given before others are refused. */
const ADDRESSES = 16;
/** Whole bodies of the largest size that one address may send at once. */
const LARGEST_AT_ONCE = 4;
const RETRY_AFTER_S = 1;

/** A slow body waits for its rest for seconds: without a bound, a few connections fill the memory with them. */
export function createBodyBudget(bodyLimitBytes: number): BodyBudget {
  const addressBytes = Math.max(ADDRESS_BYTES, LARGEST_AT_ONCE * bodyLimitBytes);
  const totalBytes = ADDRESSES * addressBytes;
  const held = new Map<string, number>();
  let total = 0;

  return {
    take(ip, bytes) {
      const bucket = addressBucket(ip);
      const own = (held.get(bucket) ?? 0) + bytes;
      if (own > addressBytes || total + bytes > totalBytes) {
        throw new AuthError("overloaded", { retryAfterS: RETRY_AFTER_S });
      }
      held.set(bucket, own);
      total += bytes;
    },
    giveBack(ip, bytes) {
      const bucket = addressBucket(ip);
      const own = (held.get(bucket) ?? 0) - bytes;
      if (own > 0) held.set(bucket, own);
      else held.delete(bucket);
      total -= bytes;
    },
  };
}
