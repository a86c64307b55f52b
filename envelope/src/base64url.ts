import type { Bytes } from "./bytes.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const codes = Uint8Array.from(alphabet, (letter) => letter.charCodeAt(0));
const notInAlphabet = 64;
const values = new Uint8Array(128).fill(notInAlphabet);
for (const [value, code] of codes.entries()) values[code] = value;

const ascii = new TextDecoder();

/** Base64url without padding (RFC 4648 section 5). */
export function encodeBase64url(bytes: Uint8Array): string {
  const text = new Uint8Array(encodedLength(bytes.length));
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const triple = (byteAt(bytes, i) << 16) | (byteAt(bytes, i + 1) << 8) | byteAt(bytes, i + 2);
    for (let shift = 18; shift >= 0 && at < text.length; shift -= 6) {
      text[at++] = byteAt(codes, (triple >> shift) & 63);
    }
  }
  return ascii.decode(text);
}

/**
 * The bytes of a base64url text, or `undefined` unless the text is exactly what `encodeBase64url` makes of them: no padding,
 * no white space, no letter of the standard alphabet, no bit set after the last byte. So a value has one spelling.
 */
export function decodeBase64url(text: string): Bytes | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let held = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const value = values[text.charCodeAt(i)] ?? notInAlphabet;
    if (value === notInAlphabet) return undefined;
    held = ((held << 6) | value) & 0xfff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  const leftOver = held & ((1 << bits) - 1);
  return leftOver === 0 ? bytes : undefined;
}

/** How many characters `encodeBase64url` needs for that many bytes. */
export function encodedLength(byteLength: number): number {
  return Math.ceil((byteLength * 4) / 3);
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
