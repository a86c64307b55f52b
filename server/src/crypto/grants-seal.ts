import { createHmac, timingSafeEqual } from "node:crypto";
import type { AssignedRoles, Grants, GrantsSeal } from "../service/grants.ts";

/** HMAC-SHA256 in base64url. */
const MAC_LENGTH = 43;

/**
 * What roles come to, outside the database: whoever can write there must not be able to make an administrator of anybody. The key is
 * in the database alone.
 */
export const grantsSeal: GrantsSeal = {
  id: (assigned) => mac(assigned, "id", ""),

  seal(assigned, grants) {
    const text = JSON.stringify(grants);
    return mac(assigned, "grants", text) + text;
  },

  open(assigned, sealed) {
    const text = sealed.slice(MAC_LENGTH);
    const expected = Buffer.from(mac(assigned, "grants", text), "latin1");
    const found = Buffer.from(sealed.slice(0, MAC_LENGTH), "latin1");
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) return undefined;
    return JSON.parse(text) as Grants;
  },
};

/** The parts are written as JSON, so that none can run into the next. */
function mac({ names, key }: AssignedRoles, purpose: "id" | "grants", text: string): string {
  return createHmac("sha256", key)
    .update(JSON.stringify([purpose, names, text]))
    .digest("base64url");
}
