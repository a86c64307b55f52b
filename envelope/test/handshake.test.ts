import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  acceptKeyShare,
  handshakeProofTyp,
  openChannel,
  parseSessionEnvelope,
  type SigJwk,
  verifyHandshakeProof,
} from "../src/index.ts";
import { type AnswerMembers, answerHandshake, begin, binding, sid, sigKeys, signProof } from "./support/handshake.ts";

const invalid = { name: "EnvelopeError", code: "envelope_invalid" };
const unknownKey = { name: "EnvelopeError", code: "envelope_unknown_key" };
const curveNames = ["P-256", "X25519"] as const;
const forms = [
  { form: "plain" },
  ...curveNames.map((keyShare) => ({ form: `forward-secret on ${keyShare}`, keyShare })),
];

describe.each(forms)("a handshake, $form", ({ form: _, ...options }) => {
  test("opens a channel that the server's end understands", async () => {
    const { envelope, openAnswer } = await begin(options);
    const { answer, root } = await answerHandshake(JSON.parse(JSON.stringify(envelope)));
    const opened = await openAnswer(answer, { sigKeys });
    expect(opened).toMatchObject({ sid, expiresInS: 900, channel: { sid, remaining: 2 ** 20 } });
    const sealed = await opened.channel.seal('{"a":"ñ"}', "/auth/login");
    const server = await openChannel({ sid, root });
    const message = await server.open(parseSessionEnvelope(sealed.envelope), "/auth/login");
    expect(text(message.plaintext)).toBe('{"a":"ñ"}');
    expect(text(await sealed.openAnswer(await message.sealAnswer('{"b":1}')))).toBe('{"b":1}');
  });

  test("opens one channel, also when its answer is opened twice at once", async () => {
    const { envelope, openAnswer } = await begin(options);
    const { answer } = await answerHandshake(envelope);
    const outcomes = await Promise.allSettled([openAnswer(answer, { sigKeys }), openAnswer(answer, { sigKeys })]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(openAnswer(answer, { sigKeys })).rejects.toThrow(RangeError);
  });

  test("has a root of its own each time", async () => {
    const roots = await Promise.all(
      Array.from({ length: 10 }, async () => (await answerHandshake((await begin(options)).envelope)).root.toString()),
    );
    expect(new Set(roots).size).toBe(10);
  });

  test("refuses the answer to another handshake", async () => {
    const [one, other] = await Promise.all([begin(options), begin(options)]);
    const { answer } = await answerHandshake(one.envelope);
    await expect(other.openAnswer(answer, { sigKeys })).rejects.toMatchObject(invalid);
  });

  test("still opens its channel after an answer that was refused", async () => {
    const { envelope, openAnswer } = await begin(options);
    const bad = await answerHandshake(envelope, { spoil: (answer) => ({ ...answer, sid: "" }) });
    const good = await answerHandshake(envelope);
    await expect(openAnswer(bad.answer, { sigKeys })).rejects.toMatchObject(invalid);
    await expect(openAnswer(good.answer, { sigKeys })).resolves.toMatchObject({ sid });
  });

  test.each([
    ["no sid", { sid: undefined }],
    ["a sid of 15 bytes", { sid: "AAAAAAAAAAAAAAAAAAAA" }],
    ["a sid with padding", { sid: `${sid}==` }],
    ["a sid with bits after its last byte", { sid: `${sid.slice(0, -1)}x` }],
    ["no lifetime", { expires_in: undefined }],
    ["a lifetime of 0", { expires_in: 0 }],
    ["a lifetime with a fraction", { expires_in: 899.5 }],
    ["a lifetime in text", { expires_in: "900" }],
  ])("refuses an answer with %s", async (_, change) => {
    const { envelope, openAnswer } = await begin(options);
    const { answer } = await answerHandshake(envelope, { spoil: (members) => ({ ...members, ...change }) });
    await expect(openAnswer(answer, { sigKeys })).rejects.toMatchObject(invalid);
  });

  test.each([
    ["null", null],
    ["an array", []],
    ["text", "handshake"],
  ])("refuses %s as the answer", async (_, spoilt) => {
    const { envelope, openAnswer } = await begin(options);
    const { answer } = await answerHandshake(envelope, { spoil: () => spoilt });
    await expect(openAnswer(answer, { sigKeys })).rejects.toMatchObject(invalid);
  });
});

describe("a plain handshake", () => {
  test("asks for nothing, and refuses a key share that it did not ask for", async () => {
    const { envelope, openAnswer } = await begin();
    const share = (await acceptKeyShare(await shareOf("P-256"), new Uint8Array(32))).keyShare;
    const { answer, request } = await answerHandshake(envelope, {
      spoil: (members) => ({ ...members, key_share: share }),
    });
    expect(request).toBeUndefined();
    await expect(openAnswer(answer, { sigKeys })).rejects.toMatchObject(invalid);
  });
});

describe.each(curveNames)("a forward-secret handshake on %s", (keyShare) => {
  const opening = async (spoil: (members: AnswerMembers) => unknown, keys: readonly SigJwk[] = sigKeys) => {
    const { envelope, openAnswer } = await begin({ keyShare });
    return await openAnswer((await answerHandshake(envelope, { spoil })).answer, { sigKeys: keys });
  };

  test("sends a public key alone, another each time", async () => {
    const [one, other] = await Promise.all([shareOf(keyShare), shareOf(keyShare)]);
    expect(Object.keys(one).sort()).toEqual(keyShare === "P-256" ? ["crv", "kty", "x", "y"] : ["crv", "kty", "x"]);
    expect(one.x).not.toBe(other.x);
  });

  test("has a root that the content key alone does not give", async () => {
    const contentKey = new Uint8Array(32).fill(7);
    const share = await shareOf(keyShare);
    const [one, other] = await Promise.all([acceptKeyShare(share, contentKey), acceptKeyShare(share, contentKey)]);
    expect(one.root).toHaveLength(32);
    expect(one.root).not.toEqual(other.root);
    expect(one.root).not.toEqual(contentKey);
  });

  test.each(["ES256", "RS256", "PS256", "EdDSA"])("believes a proof signed with %s", async (alg) => {
    const { envelope, openAnswer } = await begin({ keyShare });
    const { answer } = await answerHandshake(envelope, { alg });
    await expect(openAnswer(answer, { sigKeys })).resolves.toMatchObject({ sid });
  });

  test("cannot be talked down to the plain form", async () => {
    await expect(opening(({ key_share: _, proof: __, ...plain }) => plain)).rejects.toMatchObject(invalid);
    await expect(opening(({ proof: _, ...unproved }) => unproved)).rejects.toMatchObject(invalid);
    await expect(opening(({ key_share: _, ...shareless }) => shareless)).rejects.toMatchObject(invalid);
  });

  test("refuses a server's share that another proof is for, of the other curve, or with a private member", async () => {
    const otherCurve = keyShare === "P-256" ? "X25519" : "P-256";
    const [foreign, other] = await Promise.all([shareOf(keyShare), shareOf(otherCurve)]);
    await expect(opening((members) => ({ ...members, key_share: foreign }))).rejects.toMatchObject(invalid);
    await expect(opening((members) => ({ ...members, key_share: other }))).rejects.toMatchObject(invalid);
    const withD = (members: AnswerMembers) => ({
      ...members,
      key_share: { ...(members.key_share as object), d: "AAAA" },
    });
    await expect(opening(withD)).rejects.toMatchObject(invalid);
  });

  test("refuses a lifetime or a sid other than what was signed", async () => {
    await expect(opening((members) => ({ ...members, expires_in: 901 }))).rejects.toMatchObject(invalid);
    await expect(opening((members) => ({ ...members, sid: "AAAAAAAAAAAAAAAAAAAAAA" }))).rejects.toMatchObject(invalid);
  });

  test("tells a key that it does not know, and opens with the key set fetched again", async () => {
    const { envelope, openAnswer } = await begin({ keyShare });
    const { answer } = await answerHandshake(envelope);
    const others = sigKeys.filter(({ alg }) => alg !== "ES256");
    await expect(openAnswer(answer)).rejects.toMatchObject(unknownKey);
    await expect(openAnswer(answer, { sigKeys: others })).rejects.toMatchObject(unknownKey);
    await expect(openAnswer(answer, { sigKeys })).resolves.toMatchObject({ sid });
  });

  test("refuses a content key that has not 32 bytes", async () => {
    await expect(acceptKeyShare(await shareOf(keyShare), new Uint8Array(31))).rejects.toThrow(RangeError);
  });
});

describe("a proof", () => {
  const statement = {
    sid,
    binding,
    clientPoint: new Uint8Array(32),
    serverPoint: new Uint8Array(32).fill(1),
    expiresInS: 900,
  };
  const payload = JSON.stringify({
    sid,
    b: binding,
    client: b64(statement.clientPoint),
    server: b64(statement.serverPoint),
    expires_in: 900,
  });
  const [es256 = {}, rs256 = {}, , edDsa = {}] = sigKeys;

  test.each([
    ["of another use", { use: "enc" }, unknownKey],
    ["without use", { use: undefined }, unknownKey],
    ["without alg", { alg: undefined }, invalid],
    ["of another alg", { alg: "EdDSA" }, invalid],
    ["of an alg that JWS has and channels have not", { alg: "ES512" }, invalid],
    ["without a coordinate", { y: undefined }, invalid],
    ["off the curve", { y: es256.x }, invalid],
    ["of another kty", { kty: "RSA" }, invalid],
    ["of another curve", { crv: "P-384" }, invalid],
  ])("is verified with no key %s", async (_, change, refusal) => {
    const keys = [{ ...es256, ...change }];
    await expect(verifyHandshakeProof(signProof(payload), [es256], statement)).resolves.toBeUndefined();
    await expect(verifyHandshakeProof(signProof(payload), keys, statement)).rejects.toMatchObject(refusal);
  });

  test("is verified with an RSA key of 2048 bits, and not with one of 1024", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const weak = { ...publicKey.export({ format: "jwk" }), kid: "weak", alg: "RS256", use: "sig" } as SigJwk;
    const signed = [{ alg: "RS256", kid: "weak", typ: handshakeProofTyp }, JSON.parse(payload)]
      .map((part) => b64(Buffer.from(JSON.stringify(part))))
      .join(".");
    const proof = `${signed}.${b64(sign("sha256", Buffer.from(signed), privateKey))}`;
    await expect(verifyHandshakeProof(proof, [weak], statement)).rejects.toMatchObject(invalid);
    await expect(verifyHandshakeProof(signProof(payload, "RS256"), [rs256], statement)).resolves.toBeUndefined();
  });

  test("fails closed, and says why, where the platform lacks the algorithm, as Chromium before 137 lacks Ed25519", async () => {
    const { importKey } = crypto.subtle;
    onTestFinished(() => {
      crypto.subtle.importKey = importKey;
    });
    crypto.subtle.importKey = () => Promise.reject(new DOMException("Unrecognized name", "NotSupportedError"));
    await expect(verifyHandshakeProof(signProof(payload, "EdDSA"), [edDsa], statement)).rejects.toMatchObject({
      name: "NotSupportedError",
      message: expect.stringContaining("EdDSA"),
    });
  });
});

/** What a client offers on that curve. */
async function shareOf(keyShare: (typeof curveNames)[number]) {
  return (await answerHandshake((await begin({ keyShare })).envelope)).request;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function b64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
