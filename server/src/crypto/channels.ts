import { randomBytes } from "node:crypto";
import {
  acceptKeyShare,
  channelAnswerKey,
  EnvelopeError,
  handshakeProofTyp,
  type OpenedMessage,
  openChannel,
  type ParsedSessionEnvelope,
  parseSessionEnvelope,
  type ServerChannel,
} from "@sello/envelope";
import { LRUCache } from "lru-cache";
import { AuthError } from "../domain/errors.ts";
import type { ChannelStore, Channels } from "../service/channel-ports.ts";
import type { Kms } from "../service/ports.ts";
import { nodePrimitives } from "./envelope-primitives.ts";
import { type Signer, signCompact } from "./jws.ts";

/** 128 random bits: nobody guesses the id of a channel. */
const SID_BYTES = 16;
const ROOT_BYTES = 32;
/** For how long a channel still takes messages after its client should have left it: none in flight is lost. */
const HAND_OVER_S = 60;
const KEPT_CHANNELS = 10_000;

export type ChannelsDeps = { store: ChannelStore; kms: Kms; signer(): Signer; ttlS: number };

type Kept = { channel: ServerChannel; answerKey: Uint8Array };
type Opened = OpenedMessage & Pick<Kept, "answerKey">;

/** Contract section 8. */
export function createChannels({ store, kms, signer, ttlS }: ChannelsDeps): Channels {
  // Keys only: whether a channel is alive, and what it accepted, is asked of the store each time. They are
  // forgotten one life of a channel after they were last derived.
  const lifeMs = (ttlS + HAND_OVER_S) * 1000;
  const kept = new LRUCache<string, Kept>({ max: KEPT_CHANNELS, ttl: lifeMs, ttlAutopurge: true });
  const decoy = openKept(newSid(), randomBytes(ROOT_BYTES));

  async function load(sid: string): Promise<Kept | undefined> {
    const wrapped = await store.findRoot(sid);
    if (wrapped === undefined) return undefined;
    const unwrapped = await kms.unwrap(wrapped, wrapContext(sid));
    if (unwrapped === undefined) return undefined;
    const channel = await openKept(sid, unwrapped.secret);
    unwrapped.secret.fill(0);
    kept.set(sid, channel);
    return channel;
  }

  /** An id that is unknown is not told from one whose key the sender does not have: the same answer after the same work. */
  async function openAuthentic(message: ParsedSessionEnvelope, binding: string): Promise<Opened> {
    const known = kept.get(message.sid);
    const { channel, answerKey } = known ?? (await load(message.sid)) ?? (await decoy);
    try {
      return { ...(await channel.open(message, binding)), answerKey };
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      if (known !== undefined) await store.findRoot(message.sid);
      throw new AuthError("channel_expired");
    }
  }

  return {
    async create({ contentKey, keyShare, binding }) {
      const sid = newSid();
      const accepted = keyShare && (await acceptKeyShare(keyShare, contentKey).catch(refuse));
      const wrapped = await kms.wrap(accepted?.root ?? contentKey, wrapContext(sid));
      await store.create(sid, wrapped, ttlS + HAND_OVER_S);
      if (accepted === undefined) return { sid, expiresInS: ttlS, agreed: undefined };
      const payload = accepted.proofPayload({ sid, binding, expiresIn: ttlS });
      const proof = await signCompact(signer(), handshakeProofTyp, payload);
      return { sid, expiresInS: ttlS, agreed: { keyShare: accepted.keyShare, proof } };
    },

    async open(envelope, binding) {
      const message = parse(envelope);
      const opened = await openAuthentic(message, binding);
      const outcome = await store.accept(message.sid, message.n);
      if (outcome === "replayed") throw new AuthError("envelope_replayed");
      if (outcome === "unknown") {
        kept.delete(message.sid);
        throw new AuthError("channel_expired");
      }
      return { ...opened, sid: message.sid };
    },
  };
}

async function openKept(sid: string, root: Uint8Array): Promise<Kept> {
  const options = { sid, root, primitives: nodePrimitives };
  const [channel, answerKey] = await Promise.all([openChannel(options), channelAnswerKey(options)]);
  return { channel, answerKey };
}

function newSid(): string {
  return randomBytes(SID_BYTES).toString("base64url");
}

function wrapContext(sid: string) {
  return { purpose: "channel", subject: sid };
}

function parse(envelope: object): ParsedSessionEnvelope {
  try {
    return parseSessionEnvelope(envelope);
  } catch (error) {
    throw error instanceof EnvelopeError ? new AuthError("channel_expired") : error;
  }
}

function refuse(error: unknown): never {
  throw error instanceof EnvelopeError ? new AuthError(error.code) : error;
}
