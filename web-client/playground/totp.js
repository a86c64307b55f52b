const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_MS = 30_000;

/** An authenticator app for who has none at hand: the secret is in this page's memory until it is closed. RFC 6238. */
export function createAuthenticator() {
  let secret;
  let lastStep = 0;
  return {
    keep(base32) {
      secret = base32;
      lastStep = 0;
    },
    get hasSecret() {
      return secret !== undefined;
    },
    /** A code that was not shown yet: that of the next step, where this one's was. */
    async nextCode() {
      const step = Math.max(Math.floor(Date.now() / STEP_MS), lastStep + 1);
      lastStep = step;
      return await codeOf(secret, step);
    },
  };
}

async function codeOf(secret, step) {
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", bytesOf(secret), algorithm, false, ["sign"]);
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(step));
  const mac = new DataView(await crypto.subtle.sign("HMAC", key, counter));
  const number = mac.getUint32(mac.getUint8(19) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

function bytesOf(base32) {
  const bits = [...base32].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}
