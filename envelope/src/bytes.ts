/** Bytes that own their memory: what WebCrypto takes without a cast. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The UTF-8 form of a text. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** The text that the bytes spell in UTF-8, a byte order mark included. Throws a TypeError when they are not UTF-8. */
export function utf8Text(bytes: Bytes): string {
  return decoder.decode(bytes);
}

/** A copy of the message as bytes; a text is taken as UTF-8. */
export function messageBytes(message: Uint8Array | string): Bytes {
  return typeof message === "string" ? utf8(message) : new Uint8Array(message);
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}
