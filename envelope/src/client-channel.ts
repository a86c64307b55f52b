import type { Bytes } from "./bytes.ts";
import { channelKeys } from "./channel-keys.ts";
import { maxMessages, parseSessionEnvelope, type SessionEnvelope } from "./session-envelope.ts";
import { openMessage, sealMessage } from "./session-message.ts";

export type ClientChannel = {
  readonly sid: string;
  /** How many messages can still be sealed; at 0 it is time for another handshake. */
  readonly remaining: number;
  /**
   * Seals the next message for one call: the RPC path or the route path, as called. Each has a number of its own, also when
   * several are sealed at once, and is sent once: a retry is sealed anew. Rejects with a RangeError when none remain.
   */
  seal(plaintext: Uint8Array | string, binding: string): Promise<SealedMessage>;
};

export type SealedMessage = {
  envelope: SessionEnvelope;
  /** The plaintext of the answer to this message; rejects with `envelope_invalid` for anything else. */
  openAnswer(answer: SessionEnvelope): Promise<Uint8Array>;
};

/** A channel's near end, `sent` messages after its start. The root may be overwritten as soon as this resolves. */
export async function clientChannel(keys: { sid: string; root: Bytes; sent?: number }): Promise<ClientChannel> {
  const { c2s, s2c } = await channelKeys(keys);
  const { sid } = keys;
  let { sent = 0 } = keys;
  return {
    sid,
    get remaining() {
      return maxMessages - sent;
    },
    async seal(plaintext, binding) {
      if (sent >= maxMessages) throw new RangeError("the channel has carried all its messages: handshake again");
      const n = ++sent;
      const envelope = await sealMessage(c2s, { direction: "c2s", sid, n, binding }, plaintext);
      return {
        envelope,
        openAnswer: async (answer) =>
          await openMessage(s2c, { direction: "s2c", sid, n, binding }, parseSessionEnvelope(answer)),
      };
    },
  };
}
