export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const hex = (bytes: string): string => Buffer.from(bytes, "latin1").toString("hex");

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const settings = frame(4, 0, 0);
/** GET http /, `:authority: a`, in HPACK. */
export const getHeaders = Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x61]);
export const withLengthZero = Buffer.concat([getHeaders, Buffer.from([0x0f, 0x0d, 0x01, 0x30])]);
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const WINDOW_UPDATE = 8;
export const END_STREAM = 1;
export const END_HEADERS = 4;
