import type { AuthClientOptions } from "./client.ts";

/** What each option may be, where a slip of the pen would be read as something else, or fail with the first call. */
const ALLOWED: { [K in keyof AuthClientOptions]?: readonly unknown[] } = {
  envelope: ["stateless", "stateful", "none"],
  alg: ["ECDH-ES", "RSA-OAEP-256"],
  keyShare: ["P-256", "X25519", "none"],
};

/** @throws TypeError that names the option. */
export function checkOptions(options: AuthClientOptions): void {
  const { baseUrl, apiOrigins = [], publicKey } = options;
  if (typeof baseUrl !== "string" || !URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol)) {
    throw new TypeError("The server's address must be a URL such as https://auth.example.com.");
  }
  if (!Array.isArray(apiOrigins) || !apiOrigins.every(isOrigin)) {
    throw new TypeError("apiOrigins must be a list of origins such as https://api.example.com, without a path.");
  }
  for (const [name, allowed] of Object.entries(ALLOWED)) {
    const value = options[name as keyof AuthClientOptions];
    if (value !== undefined && !allowed.includes(value))
      throw new TypeError(`${name} must be ${allowed.join(" or ")}.`);
  }
  if (publicKey !== undefined && (typeof publicKey !== "object" || publicKey === null)) {
    throw new TypeError("publicKey must be a JWK or a JWK Set, as an object.");
  }
}

/** Spelt as the platform spells it: a slash at the end, capitals or a default port would never match. */
function isOrigin(text: unknown): boolean {
  return typeof text === "string" && URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text;
}
