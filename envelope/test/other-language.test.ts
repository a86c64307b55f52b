import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  importOpener,
  importRecipient,
  openChannel,
  openRequest,
  parseSessionEnvelope,
  sealRequest,
} from "../src/index.ts";
import { channelFile } from "./support/channel-vectors.ts";
import { answerHandshake, begin, binding, now, sid, sigKeys } from "./support/handshake.ts";
import { startPeer } from "./support/python-peer.ts";
import { isRequired } from "./support/requirements.ts";
import { positiveNames, positives } from "./support/vectors.ts";

const python = "/usr/bin/python3";
const program = fileURLToPath(new URL("python/vectors.py", import.meta.url));
const hasPython = spawnSync(python, ["-c", "import cryptography"]).status === 0;

test.skipIf(!hasPython && !isRequired("python"))(
  "is understood by a program in Python: every vector, and requests and answers sealed just now",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "sello-envelope-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const files = await Promise.all(
      positives.map(async (file, i) => {
        const path = join(folder, `${positiveNames[i]}.json`);
        writeFileSync(path, JSON.stringify(await sealedNow(file)));
        return path;
      }),
    );
    const output = execFileSync(python, ["-B", program, ...files], { encoding: "utf8" });
    expect(output).toMatch(/^[1-9]\d\d values checked, 0 wrong\n$/);
  },
  30_000,
);

const front = positives.at(-1);
const forms = [
  { form: "plain" },
  { form: "forward-secret on P-256", keyShare: "P-256" as const },
  { form: "forward-secret on X25519", keyShare: "X25519" as const },
];

describe.skipIf(!hasPython && !isRequired("python")).each(forms)("a channel, $form", ({ form: _, ...options }) => {
  test("opens to a server in Python, and carries messages and answers", async () => {
    const peer = startPeer(python);
    const { envelope, openAnswer } = await begin(options);
    const [sig_jwk] = channelFile.sig_private_jwks;
    const answer = await peer("accept", { front: front?.private_jwk, envelope, binding, now, sid, sig_jwk });
    const { channel } = await openAnswer(answer, { sigKeys });
    const sealed = await Promise.all(["ñ", "two", "three"].map((message) => channel.seal(message, "/auth/login")));
    const replies = [];
    for (const message of sealed.reverse()) {
      const { plaintext, answer } = await peer("respond", { ...message, binding: "/auth/login", answer: "ü" });
      replies.push([message.envelope.n, plaintext, text(await message.openAnswer(answer))]);
    }
    expect(replies).toEqual([
      [3, "three", "ü"],
      [2, "two", "ü"],
      [1, "ñ", "ü"],
    ]);
  });

  test("opens to a client in Python, and carries messages and answers", async () => {
    const peer = startPeer(python);
    const envelope = await peer("begin", { front: front?.public_jwk, binding, now, crv: options.keyShare });
    const { answer, root } = await answerHandshake(envelope);
    expect(await peer("finish", { answer, sig_jwks: sigKeys })).toBe(sid);
    const server = await openChannel({ sid, root });
    const message = await peer("send", { plaintext: "ñ", binding: "/auth/login" });
    const opened = await server.open(parseSessionEnvelope(message), "/auth/login");
    expect(text(opened.plaintext)).toBe("ñ");
    expect(await peer("read", { answer: await opened.sealAnswer("ü"), binding: "/auth/login" })).toBe("ü");
  });
});

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A file of one positive case that this package sealed, without the values that it gives to nobody. */
async function sealedNow({ public_jwk, private_jwk, now }: (typeof positives)[number]) {
  const binding = "/auth/login";
  const jti = "AAECAwQFBgcICQoLDA0ODw";
  const recipient = await importRecipient(public_jwk);
  const opener = await importOpener(private_jwk);
  const { envelope } = await sealRequest(recipient, '{"a":"ñ"}', { binding, now, jti });
  const opened = await openRequest(() => opener, envelope, { binding, now, aadRequired: true });
  const sealed = await opened.sealAnswer('{"b":"ü"}');
  const answer = { plaintext: '{"b":"ü"}', sealed };
  const sample = { name: "sealed now", binding, ts: now, jti, plaintext: '{"a":"ñ"}', envelope, answer };
  return { private_jwk, now, cases: [{ ...sample, replay_id: opened.replayId }] };
}
