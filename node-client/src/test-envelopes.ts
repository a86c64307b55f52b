import { randomBytes, randomUUID, webcrypto } from "node:crypto";
import {
  type ClientChannel,
  EnvelopeError,
  type FrontAnswer,
  importOpener,
  importRecipient,
  type Opener,
  openChannel,
  openRequest,
  parseSessionEnvelope,
  type Recipient,
  type ServerChannel,
  type SessionEnvelope,
  sealHandshake,
  sealRequest,
} from "@sello/envelope";
import type { Authority, SealedBody } from "./authority.ts";
import { AuthError } from "./errors.ts";
import type { OpenOptions, SealedJson } from "./sealed-body.ts";

export type TestSeal = (
  payload: unknown,
  options: OpenOptions & {
    /** An envelope of its own, or a message of a channel. Default: `stateless`. */
    mode?: "stateless" | "stateful";
  },
) => Promise<{ body: SealedJson; open(answer: unknown): Promise<unknown> }>;

export type TestEnvelopes = Pick<Authority, "open"> & { sealAnswer: Authority["seal"]; seal: TestSeal };

type Keys = { recipient: Recipient; opener: Opener };
type Channel = { client: ClientChannel; server: ServerChannel };
type SealAnswer = (payload: Uint8Array) => Promise<FrontAnswer | SessionEnvelope>;

/** Both ends of both kinds of envelope, with the codec that browsers and servers use. */
export function createTestEnvelopes(nowMs: () => number): TestEnvelopes {
  const nowS = () => nowMs() / 1000;
  const accepted = new Set<string>();
  const tickets = new Map<string, { member: SealedBody["member"]; sealAnswer: SealAnswer }>();
  let keys: Promise<Keys> | undefined;
  let channel: Promise<Channel> | undefined;

  const theKeys = () => {
    keys ??= createKeys();
    return keys;
  };
  const theChannel = () => {
    channel ??= createChannel(theKeys(), nowS);
    return channel;
  };
  const acceptOnce = (id: string) => {
    if (accepted.has(id)) throw new AuthError("envelope_replayed");
    accepted.add(id);
  };

  async function openFront(envelope: unknown, binding: string) {
    const { opener } = await theKeys();
    const find = (kid: string) => (kid === opener.kid ? opener : undefined);
    const opened = await openRequest(find, envelope, { binding, now: nowS(), aadRequired: true });
    if (opened.replayId !== undefined) acceptOnce(opened.replayId);
    return opened;
  }

  async function openSession(envelope: unknown, binding: string) {
    const message = parseSessionEnvelope(envelope);
    const { server } = await theChannel();
    if (message.sid !== server.sid) throw new AuthError("channel_expired");
    const opened = await server.open(message, binding);
    acceptOnce(`${message.sid}:${message.n}`);
    return opened;
  }

  return {
    async open({ member, envelope }, binding) {
      const attempt = member === "__front_enc__" ? openFront(envelope, binding) : openSession(envelope, binding);
      const { plaintext, sealAnswer } = await attempt.catch((error: unknown) => {
        throw error instanceof EnvelopeError ? new AuthError(error.code) : error;
      });
      const ticket = randomUUID();
      tickets.set(ticket, { member, sealAnswer });
      return { payload: plaintext, ticket };
    },

    async sealAnswer(ticket, payload) {
      const found = tickets.get(ticket);
      if (found === undefined) throw new AuthError("envelope_invalid");
      return { member: found.member, envelope: { ...(await found.sealAnswer(payload)) } };
    },

    async seal(payload, { binding, mode = "stateless" }) {
      const text = JSON.stringify(payload ?? {});
      const member = mode === "stateless" ? "__front_enc__" : "__session_enc__";
      const sealed =
        mode === "stateless"
          ? await sealRequest((await theKeys()).recipient, text, { binding, now: nowS() })
          : await (await theChannel()).client.seal(text, binding);
      return {
        body: { [member]: { ...sealed.envelope } },
        async open(answer) {
          const envelope = (answer as SealedJson)[member];
          return JSON.parse(new TextDecoder().decode(await sealed.openAnswer(envelope as never)));
        },
      };
    },
  };
}

async function createKeys(): Promise<Keys> {
  const pair = await webcrypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
  const about = { kid: `test-${randomUUID()}`, alg: "ECDH-ES" };
  const exported = (key: webcrypto.CryptoKey) => webcrypto.subtle.exportKey("jwk", key);
  return {
    recipient: await importRecipient({ ...(await exported(pair.publicKey)), ...about }),
    opener: await importOpener({ ...(await exported(pair.privateKey)), ...about }),
  };
}

/** A handshake without the network: the client's end and the server's of one channel. */
async function createChannel(keys: Promise<Keys>, nowS: () => number): Promise<Channel> {
  const { recipient, opener } = await keys;
  const binding = "/auth/handshake";
  const handshake = await sealHandshake(recipient, { binding, now: nowS() });
  const opened = await openRequest(() => opener, handshake.envelope, { binding, now: nowS(), aadRequired: true });
  const sid = randomBytes(16).toString("base64url");
  const server = await openChannel({ sid, root: opened.contentKey });
  const answer = await opened.sealAnswer(JSON.stringify({ sid, expires_in: 900 }));
  const { channel: client } = await handshake.openAnswer(answer);
  return { client, server };
}
