// What can be read off the wire without a key.

export const AUTH = "/auth.v1.AuthService/";
export const HANDSHAKE = "/auth.v1.ChannelService/Handshake";

export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The envelope of a body, and which form it is; undefined for a body in clear. */
export function envelopeOf(text) {
  const body = parse(text) ?? {};
  const member = ["__front_enc__", "__session_enc__"].find((name) => body[name] !== undefined);
  return member && { member, form: member === "__front_enc__" ? "stateless" : "stateful", envelope: body[member] };
}

/** What a stateless envelope says for all to read: the call, the time and a number used once. */
export function aadOf(text) {
  const aad = envelopeOf(text)?.envelope.aad;
  return aad && new TextDecoder().decode(bytesOf(aad));
}

const FIRST_FIELD_AS_TEXT = 0x0a;

/** The contract's code and message of an error over Connect: the code is the `reason` of a `google.rpc.ErrorInfo`. */
export function errorOf(text) {
  const { message = "", details = [] } = parse(text) ?? {};
  const info = details.find(({ type }) => type === "google.rpc.ErrorInfo");
  if (info === undefined) return { code: "unknown", message };
  const [tag, length = 0, ...rest] = bytesOf(info.value);
  const code = tag === FIRST_FIELD_AS_TEXT ? String.fromCharCode(...rest.slice(0, length)) : "unknown";
  return { code, message };
}

/** base64 or base64url, padded or not. */
export function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** base64url without padding. */
export function textOf(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** Turns over the lowest bit of the byte in the middle, and says so. */
export function flipBit(text) {
  const bytes = bytesOf(text);
  const at = bytes.length >> 1;
  const before = bytes[at];
  bytes[at] ^= 1;
  return { flipped: textOf(bytes), note: `byte ${at} of ${bytes.length}: ${hex(before)} → ${hex(bytes[at])}` };
}

function hex(byte) {
  return byte.toString(16).padStart(2, "0");
}

export function randomText(byteCount) {
  return textOf(crypto.getRandomValues(new Uint8Array(byteCount)));
}
