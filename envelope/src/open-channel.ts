import { type ChannelPrimitives, channelKeys, deriveChannelKey } from "./channel-keys.ts";
import { importGcmKey, type Primitives, webCrypto } from "./primitives.ts";
import { type ParsedSessionEnvelope, readSid, type SessionEnvelope } from "./session-envelope.ts";
import { openMessage, sealMessage } from "./session-message.ts";

export type ServerChannel = {
  readonly sid: string;
  /**
   * Opens a message that arrived at a call: its RPC path or its route path, as called. Rejects with `envelope_invalid` whatever
   * is wrong with it. It opens the same message again: that `n` is accepted once is the caller's, and so is the channel's end.
   */
  open(message: ParsedSessionEnvelope, binding: string): Promise<OpenedMessage>;
};

export type OpenedMessage = {
  /** From 1 to 2^20; to be accepted once a channel, in any order, by all replicas together, after the message was opened. */
  n: number;
  plaintext: Uint8Array;
  /** Seals an answer that only the client of this channel can open, and only as the answer to this message. */
  sealAnswer(plaintext: Uint8Array | string): Promise<SessionEnvelope>;
};

export type ChannelOptions = {
  /** 16 random bytes, base64url. */
  sid: string;
  /** 32 bytes: of `acceptKeyShare`, or the `contentKey` of a handshake without key share. Not changed, and not kept. */
  root: Uint8Array;
  /** Default: WebCrypto. */
  primitives?: ChannelPrimitives;
};

/**
 * A channel's far end. It holds keys and no other state: one may serve many messages at once, and any replica may make its own.
 * Rejects with `envelope_invalid` when the sid is none, and with a RangeError unless the root has 32 bytes.
 */
export async function openChannel({ sid: text, root, primitives }: ChannelOptions): Promise<ServerChannel> {
  const sid = readSid(text);
  const copy = new Uint8Array(root);
  const { c2s, s2c } = await channelKeys({ sid, root: copy, primitives });
  copy.fill(0);
  return {
    sid,
    async open(message, binding) {
      const { n } = message;
      const plaintext = await openMessage(c2s, { direction: "c2s", sid, n, binding }, message);
      return {
        n,
        plaintext,
        sealAnswer: (answer) => sealMessage(s2c, { direction: "s2c", sid, n, binding }, answer),
      };
    },
  };
}

/** The 32 bytes that a channel's answers are sealed under, for `sealChannelAnswer`: who has them speaks for the server in this channel. */
export async function channelAnswerKey({ sid, root, primitives }: ChannelOptions): Promise<Uint8Array> {
  return deriveChannelKey("s2c", { sid: readSid(sid), root: new Uint8Array(root), primitives });
}

/** What an answer is sealed with, by one who has not the channel at hand any more, or when it is over. */
export type ChannelAnswerContext = { answerKey: Uint8Array; sid: string; n: number; binding: string };

/** Seals the answer to a message that was opened before, here or on another replica. Rejects with a RangeError unless the key has 32 bytes. */
export async function sealChannelAnswer(
  { answerKey, sid, n, binding }: ChannelAnswerContext,
  plaintext: Uint8Array | string,
  primitives: Pick<Primitives, "importKey"> = webCrypto,
): Promise<SessionEnvelope> {
  const key = await importGcmKey(primitives, new Uint8Array(answerKey));
  return sealMessage(key, { direction: "s2c", sid, n, binding }, plaintext);
}
