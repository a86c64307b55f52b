import type { FrontJwk } from "@sello/envelope";

/** Keys that the page knows from elsewhere than the server: a JWK, or a JWK Set. */
export type Pins = FrontJwk | { readonly keys: readonly FrontJwk[] } | undefined;

/**
 * The published keys of a use. Where the pins name keys of that use, only those: by their material, since anybody can write
 * a `kid`. A pinned key without `use` seals envelopes. Pins that name no key at all trust none.
 */
export function pinnedOf(published: readonly FrontJwk[], use: string, pins: Pins): FrontJwk[] {
  const list = listOf(pins);
  const pinned = list?.filter((key) => (key.use ?? "enc_front") === use) ?? [];
  const isOpen = pinned.length === 0 && list?.length !== 0;
  return published.filter((key) => key.use === use && (isOpen || pinned.some((pin) => isSame(pin, key))));
}

function listOf(pins: Pins): readonly FrontJwk[] | undefined {
  return pins === undefined || "keys" in pins ? pins?.keys : [pins as FrontJwk];
}

const material = ["kty", "crv", "x", "y", "n", "e"] as const;

function isSame(one: FrontJwk, other: FrontJwk): boolean {
  return material.every((name) => one[name] === other[name]);
}
