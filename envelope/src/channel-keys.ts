import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, utf8 } from "./bytes.ts";
import type { GcmKey } from "./gcm-key.ts";
import { importGcmKey, type Primitives, webCrypto } from "./primitives.ts";

/** What a channel takes of a platform. */
export type ChannelPrimitives = Pick<Primitives, "hkdfSha256" | "importKey">;

/** From the client to the server, and back. */
export type Direction = "c2s" | "s2c";

const infos: Readonly<Record<Direction, Bytes>> = { c2s: utf8("sello/1 c2s"), s2c: utf8("sello/1 s2c") };

export type ChannelKeysInput = {
  readonly sid: string;
  readonly root: Bytes;
  readonly primitives?: ChannelPrimitives | undefined;
};

/** A key for each direction, so that no message can be sent back as an answer. Rejects with a RangeError unless the root has 32 bytes. */
export async function channelKeys({ sid, root, primitives = webCrypto }: ChannelKeysInput) {
  const derive = async (direction: Direction): Promise<GcmKey> => {
    const raw = await deriveChannelKey(direction, { sid, root, primitives });
    const key = await importGcmKey(primitives, raw);
    raw.fill(0);
    return key;
  };
  const [c2s, s2c] = await Promise.all([derive("c2s"), derive("s2c")]);
  return { c2s, s2c };
}

/** The 32 bytes of one of them. */
export async function deriveChannelKey(
  direction: Direction,
  { sid, root, primitives = webCrypto }: ChannelKeysInput,
): Promise<Bytes> {
  if (root.length !== contentKeyBytes) throw new RangeError("the root of a channel has 32 bytes");
  return await primitives.hkdfSha256(root, { salt: utf8(sid), info: infos[direction], length: contentKeyBytes });
}
