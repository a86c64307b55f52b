import type { Bytes } from "./bytes.ts";
import type { Carrier, FrontAlg } from "./envelope.ts";

/** A server's public front key, ready to seal for. */
export type Recipient = {
  readonly kid: string;
  readonly alg: FrontAlg;
  /** A fresh 32-byte content key and the envelope members that carry it. */
  createContentKey(): Promise<{ contentKey: Bytes; carrier: Carrier }>;
};

/** A server's private front key, ready to open with. */
export type Opener = {
  readonly kid: string;
  readonly alg: FrontAlg;
  /**
   * The 32-byte content key that the envelope carries. Throws `envelope_invalid` only for what anyone can see in the
   * envelope; what depends on the private key comes back as some other key, and fails at the tag.
   */
  recoverContentKey(carrier: Carrier): Promise<Bytes>;
};
