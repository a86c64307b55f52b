import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, utf8 } from "./bytes.ts";
import { hkdfSha256 } from "./hkdf.ts";
import { webCrypto } from "./primitives.ts";

/** One direction's key: AES-256-GCM with 12-byte IVs and 16-byte tags, which nothing lets out. */
export type ChannelKey = {
  /** The ciphertext followed by the tag. */
  seal(plaintext: Bytes, input: GcmInput): Uint8Array | Promise<Uint8Array>;
  /** The plaintext of such a ciphertext; throws or rejects, with anything, unless it is authentic as a whole. */
  open(ct: Bytes, input: GcmInput): Uint8Array | Promise<Uint8Array>;
};

export type GcmInput = { readonly iv: Bytes; readonly additionalData: Bytes };

/**
 * Where a channel gets its keys: HKDF-SHA256 (RFC 5869) of the 32-byte root, 32 bytes long, as a key of AES-256-GCM. The
 * package has one on WebCrypto; a server may bring a faster one, synchronous or not. It neither keeps nor changes the root.
 */
export type DeriveChannelKey = (
  root: Bytes,
  input: { readonly salt: Bytes; readonly info: Bytes },
) => ChannelKey | Promise<ChannelKey>;

/** From the client to the server, and back. */
export type Direction = "c2s" | "s2c";

const infos: Readonly<Record<Direction, Bytes>> = { c2s: utf8("sello/1 c2s"), s2c: utf8("sello/1 s2c") };

export type ChannelKeysInput = {
  readonly sid: string;
  readonly root: Bytes;
  readonly deriveKey?: DeriveChannelKey | undefined;
};

/** A key for each direction, so that no message can be sent back as an answer. Rejects with a RangeError unless the root has 32 bytes. */
export async function channelKeys({ sid, root, deriveKey = deriveWithWebCrypto }: ChannelKeysInput) {
  if (root.length !== contentKeyBytes) throw new RangeError("the root of a channel has 32 bytes");
  const salt = utf8(sid);
  const [c2s, s2c] = await Promise.all([
    deriveKey(root, { salt, info: infos.c2s }),
    deriveKey(root, { salt, info: infos.s2c }),
  ]);
  return { c2s, s2c };
}

const deriveWithWebCrypto: DeriveChannelKey = async (root, { salt, info }) => {
  const raw = await hkdfSha256(root, { salt, info, length: contentKeyBytes });
  const key = await webCrypto.importKey(raw);
  raw.fill(0);
  return key;
};
