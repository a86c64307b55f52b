import {
  type ClientChannel,
  type CurveName,
  EnvelopeError,
  type FrontAnswer,
  type FrontEnvelope,
  type OpenedHandshake,
  type SealedHandshake,
  sealHandshake,
} from "@sello/envelope";
import { AuthError, untrusted } from "./errors.ts";
import type { KeySet, Keys } from "./key-set.ts";
import type { Exchange } from "./sealing.ts";
import type { ServerTime } from "./server-time.ts";
import { singleFlight } from "./single-flight.ts";
import type { WithKeys } from "./with-keys.ts";

export type Channels = {
  /** The channel to seal for; near its end the next one, by one handshake for all who wait. */
  current(): Promise<ClientChannel>;
  /** The server does not know that channel any more. Calls in flight on it are left alone. */
  drop(channel: ClientChannel): void;
};

export type ChannelsOptions = {
  keys: KeySet;
  time: ServerTime;
  monotonicMs: () => number;
  /** Absent: the plain form, without forward secrecy. */
  keyShare: CurveName | undefined;
  withKeys: WithKeys;
  /** Sends the handshake's envelope and resolves with the answer's. */
  send: (envelope: FrontEnvelope) => Promise<FrontAnswer>;
  inspect: ((exchange: Exchange) => void) | undefined;
};

const binding = "/auth.v1.ChannelService/Handshake";

/** The next channel is opened when this part of a channel's life is left. */
const LAST_PART = 0.1;
const LAST_MESSAGES = 1000;

export function createChannels(options: ChannelsOptions): Channels {
  const { monotonicMs } = options;
  let open: { channel: ClientChannel; endsMs: number } | undefined;

  const handshake = singleFlight(async () => {
    const begunMs = monotonicMs();
    const { channel, expiresInS } = await shakeHands(options);
    open = { channel, endsMs: begunMs + expiresInS * 1000 * (1 - LAST_PART) };
    return channel;
  });
  return {
    async current() {
      const isFresh = open && monotonicMs() < open.endsMs && open.channel.remaining > LAST_MESSAGES;
      return isFresh && open ? open.channel : await handshake();
    },
    drop(channel) {
      if (open?.channel === channel) open = undefined;
    },
  };
}

async function shakeHands({
  keys,
  time,
  keyShare,
  withKeys,
  send,
  inspect,
}: ChannelsOptions): Promise<OpenedHandshake> {
  const forAll = new AbortController().signal;
  const [sealed, answer, used] = await withKeys(forAll, async (current) => {
    const options = { binding, now: time.now(), ...(keyShare && { keyShare }) };
    const handshake = await sealHandshake(current.recipient, options);
    return [handshake, await send(handshake.envelope), current];
  });
  try {
    const opened = await openAnswer(sealed, answer, { keys, used });
    const { envelope, plaintext: request } = sealed;
    inspect?.({ binding, request, envelope, answer, opened: opened.plaintext });
    return opened;
  } catch (error) {
    if (error instanceof AuthError) throw error;
    throw untrusted("The handshake was not answered by the server it was sealed for.", error);
  }
}

/** The signing key may be younger than the keys in memory: they are fetched again, once. */
async function openAnswer(
  sealed: SealedHandshake,
  answer: FrontAnswer,
  { keys, used }: { keys: KeySet; used: Keys },
): Promise<OpenedHandshake> {
  try {
    return await sealed.openAnswer(answer, used);
  } catch (error) {
    if (!(error instanceof EnvelopeError) || error.code !== "envelope_unknown_key") throw error;
    return await sealed.openAnswer(answer, await keys.reload(used));
  }
}
