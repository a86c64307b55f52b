import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { importOpener, importRecipient, openRequest, sealRequest } from "../src/index.ts";
import { isRequired } from "./support/requirements.ts";
import { positiveNames, positives } from "./support/vectors.ts";

const python = "/usr/bin/python3";
const program = fileURLToPath(new URL("open-vectors.py", import.meta.url));
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
    const output = execFileSync(python, [program, ...files], { encoding: "utf8" });
    expect(output).toMatch(/^[1-9]\d\d values checked, 0 wrong\n$/);
  },
  30_000,
);

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
