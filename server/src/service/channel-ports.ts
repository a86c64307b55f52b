/** A message of a channel, or the answer to one, as it travels: contract section 8. */
export type ChannelMessage = { sid: string; n: number; iv: string; ct: string };

export type OpenedChannelMessage = {
  sid: string;
  n: number;
  plaintext: Uint8Array;
  /** What the answer can be sealed with elsewhere and later, when the channel is over too. A secret. */
  answerKey: Uint8Array;
  sealAnswer(plaintext: Uint8Array | string): Promise<ChannelMessage>;
};

/** A handshake that came sealed: under which key, with what share of the client's, and at which call. */
export type Handshake = { contentKey: Uint8Array; keyShare: object | undefined; binding: string };

export type NewChannel = {
  sid: string;
  expiresInS: number;
  /** The server's half, and the proof that it is the server's, when the client sent a key share. */
  agreed: { keyShare: { kty: string; crv: string; x: string; y?: string }; proof: string } | undefined;
};

/** The server's end of the channels of stateful envelopes. */
export type Channels = {
  /** @throws AuthError `envelope_invalid` for a key share that is none, `unavailable`. */
  create(handshake: Handshake): Promise<NewChannel>;
  /**
   * Opens a message, and accepts it: the same one never opens again, on any replica.
   * @throws AuthError `channel_expired` for whatever no living channel opens, `envelope_replayed`, `unavailable`.
   */
  open(message: ChannelMessage, binding: string): Promise<OpenedChannelMessage>;
};

/** The wrapped roots of channels, and which of their messages were accepted. */
export type ChannelStore = {
  /** @throws AuthError `unavailable` */
  create(sid: string, wrappedRoot: string, ttlS: number): Promise<void>;
  /** Undefined when the channel is unknown, over or forgotten. @throws AuthError `unavailable` */
  findRoot(sid: string): Promise<string | undefined>;
  /**
   * Accepts message `n`, from 1 to 2^20, once, by all replicas together and in any order. For messages that proved authentic
   * only: what it remembers cannot be spent by anybody else.
   * @throws AuthError `unavailable` when that cannot be said: never a guess.
   */
  accept(sid: string, n: number): Promise<"accepted" | "replayed" | "unknown">;
};
