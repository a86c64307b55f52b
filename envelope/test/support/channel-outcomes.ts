import { utf8, utf8Text } from "../../src/bytes.ts";
import { type ChannelPrimitives, channelKeys, type Direction } from "../../src/channel-keys.ts";
import { curves } from "../../src/curves.ts";
import { agreeWithStranger } from "../../src/ecdh.ts";
import { verifyHandshakeProof } from "../../src/handshake-proof.ts";
import { acceptKeyShare, type EphemeralKey, openChannel, parseSessionEnvelope, type SigJwk } from "../../src/index.ts";
import { channelRoot } from "../../src/key-share.ts";
import { messageAad, openMessage } from "../../src/session-message.ts";
import type {
  ChannelCase,
  ForwardSecretCase,
  MessageRow,
  NegativeChannelFile,
  ProofRow,
  SessionAnswerRow,
  ShareRow,
} from "./channel-vectors.ts";
import { bytes, type Outcome, outcome } from "./outcomes.ts";

/** Runs in Node and in a page alike. */

type Channel = Pick<NegativeChannelFile, "sid" | "root">;

/** What a server makes of a message. */
export async function messageOutcome({ sid, root }: Channel, row: MessageRow, primitives?: ChannelPrimitives) {
  const channel = await openChannel({ sid, root: bytes(root), ...(primitives && { primitives }) });
  return await outcome(async () => (await channel.open(parseSessionEnvelope(row.envelope), row.binding)).plaintext);
}

/** What the client that sent `row.n` makes of an answer. */
export async function sessionAnswerOutcome(
  { sid, root }: Channel,
  row: SessionAnswerRow,
  primitives?: ChannelPrimitives,
) {
  const { s2c } = await channelKeys({ sid, root: bytes(root), primitives });
  const name = { direction: "s2c", sid, n: row.n, binding: row.binding } as const;
  return await outcome(async () => await openMessage(s2c, name, parseSessionEnvelope(row.envelope)));
}

export async function proofOutcome(table: Pick<NegativeChannelFile, "sig_jwks" | "statement">, { proof }: ProofRow) {
  const { sid, binding, client, server, expires_in } = table.statement;
  const points = { clientPoint: bytes(client), serverPoint: bytes(server) };
  return await outcomeOf(() =>
    verifyHandshakeProof(proof, table.sig_jwks, { sid, binding, ...points, expiresInS: expires_in }),
  );
}

export async function shareOutcome({ key_share }: ShareRow): Promise<Outcome> {
  return await outcomeOf(() => acceptKeyShare(key_share, new Uint8Array(32)));
}

/** The messages of a case as its server opens them, and the answers as its client does, with the texts they authenticate. */
export async function openChannelCase({ sid, root, messages }: ChannelCase, primitives?: ChannelPrimitives) {
  const server = await openChannel({ sid, root: bytes(root), ...(primitives && { primitives }) });
  const { s2c } = await channelKeys({ sid, root: bytes(root), primitives });
  return await Promise.all(
    messages.map(async ({ n, binding, envelope, answer }) => {
      const aad = (direction: Direction) => utf8Text(messageAad({ direction, sid, n, binding }));
      const opened = await server.open(parseSessionEnvelope(envelope), binding);
      const name = { direction: "s2c", sid, n, binding } as const;
      const answered = await openMessage(s2c, name, parseSessionEnvelope(answer.envelope));
      return {
        n: opened.n,
        plaintext: utf8Text(new Uint8Array(opened.plaintext)),
        aad: aad("c2s"),
        answer: { plaintext: utf8Text(new Uint8Array(answered)), aad: aad("s2c") },
      };
    }),
  );
}

export function expectedMessages({ messages }: ChannelCase) {
  return messages.map(({ n, plaintext, aad, answer }) => ({
    n,
    plaintext,
    aad,
    answer: { plaintext: answer.plaintext, aad: answer.aad },
  }));
}

/** The shared secret and the root of a forward-secret case, each as one side computes it. */
export async function agreementsOf(sample: ForwardSecretCase) {
  const { client, server } = sample.key_shares;
  return await Promise.all([
    agreementOf(sample, { ...client, d: sample.client_d }, server),
    agreementOf(sample, { ...server, d: sample.server_d }, client),
  ]);
}

async function agreementOf(sample: ForwardSecretCase, own: EphemeralKey & { d: string }, other: EphemeralKey) {
  const curve = curves[other.crv as keyof typeof curves];
  const privateKey = await crypto.subtle.importKey("jwk", own, curve.algorithm, false, ["deriveBits"]);
  const shared = await agreeWithStranger(curve, privateKey, curve.pointOfEphemeralKey(other));
  const { client, server } = sample.key_shares;
  const points = { clientPoint: curve.pointOfEphemeralKey(client), serverPoint: curve.pointOfEphemeralKey(server) };
  const shown = base64url(shared);
  const root = await channelRoot(bytes(sample.content_key), shared, points);
  return { shared_secret: shown, root: base64url(root) };
}

/** The code each of a case's proofs gets. */
export async function proofsOf(
  { sid, binding, points, expires_in, proofs }: ForwardSecretCase,
  sigKeys: readonly SigJwk[],
) {
  const statement = {
    sid,
    binding,
    clientPoint: bytes(points.client),
    serverPoint: bytes(points.server),
    expiresInS: expires_in,
  };
  return await Promise.all(
    proofs.map(async ({ alg, proof }) => ({
      alg,
      ...(await outcomeOf(() => verifyHandshakeProof(proof, sigKeys, statement))),
    })),
  );
}

function base64url(data: Uint8Array): string {
  return btoa(String.fromCharCode(...data))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The code alone, of what opens nothing. */
async function outcomeOf(check: () => Promise<unknown>): Promise<Outcome> {
  const { code } = await outcome(async () => {
    await check();
    return utf8("");
  });
  return { code };
}
