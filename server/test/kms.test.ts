import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";
import { withLock } from "../src/crypto/key-lock.ts";
import { type MasterKey, parseWrapped, unwrapSecret, wrapSecret } from "../src/kms/key-wrap.ts";
import { MissingMasterKeyError, openLocalKms, rotateMasterKey } from "../src/kms/local.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const MASTER: MasterKey = {
  id: "k1",
  key: hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
};
const SECRET = hex("202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f");
const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };
/** By python3-cryptography: AESGCM(key).encrypt(iv, secret, aad), each part of the aad behind its length. */
const KNOWN = "kms1.k1.QEFCQ0RFRkdISUpLwpiMAAIZoSTl7T0dt0k9dEn3YG-DADkUT3503qsu0-QmleUEfPdQ62KYcikyCZxf";

describe("the wrap", () => {
  test("is AES-256-GCM over key id, purpose and subject, as another implementation has it", () => {
    const iv = hex("404142434445464748494a4b");
    expect(wrapSecret(MASTER, SECRET, { context: CONTEXT, iv })).toBe(KNOWN);
    expect(unwrapSecret(MASTER, sealedOf(KNOWN), CONTEXT)).toStrictEqual(SECRET);
  });

  test("never uses an IV twice", () => {
    const ivs = Array.from({ length: 100 }, () =>
      sealedOf(wrapSecret(MASTER, SECRET, { context: CONTEXT }))
        .subarray(0, 12)
        .toString("hex"),
    );
    expect(new Set(ivs).size).toBe(100);
  });

  test.each([
    ["another subject", CONTEXT.purpose, "018f0000-0000-7000-8000-000000000002"],
    ["another purpose", "user-key:mail", CONTEXT.subject],
    ["parts that are cut elsewhere", `${CONTEXT.purpose}0`, CONTEXT.subject.slice(1)],
    ["no purpose", "", CONTEXT.subject],
  ])("does not open for %s", (_name, purpose, subject) => {
    expect(unwrapSecret(MASTER, sealedOf(KNOWN), { purpose, subject })).toBeUndefined();
  });

  test("does not open under another key, nor under the same bytes by another id", () => {
    expect(unwrapSecret({ id: "k1", key: randomBytes(32) }, sealedOf(KNOWN), CONTEXT)).toBeUndefined();
    expect(unwrapSecret({ ...MASTER, id: "k2" }, sealedOf(KNOWN), CONTEXT)).toBeUndefined();
  });

  test("does not open with any bit flipped, nor cut off", () => {
    const sealed = sealedOf(KNOWN);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = Buffer.from(sealed);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(unwrapSecret(MASTER, flipped, CONTEXT)).toBeUndefined();
    }
    for (let length = 28; length < sealed.length; length++) {
      expect(unwrapSecret(MASTER, sealed.subarray(0, length), CONTEXT)).toBeUndefined();
    }
  });

  test.each([
    ["nothing", ""],
    ["another version", KNOWN.replace("kms1", "kms2")],
    ["no key id", KNOWN.replace("k1", "")],
    ["a key id with a path", KNOWN.replace("k1", "../k1")],
    ["a key id that is too long", KNOWN.replace("k1", "k".repeat(65))],
    ["a part too many", `${KNOWN}.x`],
    ["padding", `${KNOWN}=`],
    ["white space", `${KNOWN}\n`],
    ["the other base64", KNOWN.replace("kms1.k1.", "kms1.k1.+/")],
    ["stray trailing bits", `kms1.k1.${"A".repeat(37)}B`],
    ["less than an IV and a tag", `kms1.k1.${Buffer.alloc(27).toString("base64url")}`],
  ])("has one spelling: not %s", (_name, text) => {
    expect(parseWrapped(text)).toBeUndefined();
  });
});

describe("the local KMS", () => {
  let file: string;
  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), "sello-kms-"));
    file = join(folder, "keys", "kms.key");
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
  });
  const errors: unknown[] = [];
  const open = (generate = true) =>
    openLocalKms({ file, runAlone: withLock, clock: systemClock, generate, onError: (error) => errors.push(error) });
  const rotate = () => rotateMasterKey({ file, runAlone: withLock, clock: systemClock });

  test("makes its key once when many start at once, for its owner's eyes alone", async () => {
    const servers = await Promise.all(Array.from({ length: 8 }, () => open()));
    const [first] = servers;
    const wrapped = (await first?.wrap(SECRET, CONTEXT)) ?? "";
    for (const server of servers) {
      expect(await server.unwrap(wrapped, CONTEXT)).toStrictEqual({ secret: SECRET, isCurrent: true });
    }
    expect(JSON.parse(await readFile(file, "utf8")).keys).toHaveLength(1);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(file, ".."))).toStrictEqual(["kms.key"]);
  });

  test("starts with no key that nobody made, where it must not make one", async () => {
    await expect(open(false)).rejects.toThrow(MissingMasterKeyError);
    await rotate();
    await expect(open(false)).resolves.toBeDefined();
  });

  test("wraps under a new key after a rotation, opens what older ones wrapped, and says which", async () => {
    const kms = await open();
    const old = await kms.wrap(SECRET, CONTEXT);
    await rotate();
    const other = await open();
    const fresh = await other.wrap(SECRET, CONTEXT);
    // The one that runs knows the new key by the first text that names it.
    expect(await kms.unwrap(fresh, CONTEXT)).toStrictEqual({ secret: SECRET, isCurrent: true });
    expect(await kms.unwrap(old, CONTEXT)).toStrictEqual({ secret: SECRET, isCurrent: false });
    expect((await kms.wrap(SECRET, CONTEXT)).split(".")[1]).toBe(fresh.split(".")[1]);
  });

  test("takes up a rotation within a second or so without being told", async () => {
    const kms = await open();
    const old = await kms.wrap(SECRET, CONTEXT);
    await rotate();
    await vi.waitFor(async () => expect((await kms.unwrap(old, CONTEXT))?.isCurrent).toBe(false), { timeout: 5_000 });
  });

  test("loses no key when many rotate at once", async () => {
    await Promise.all(Array.from({ length: 5 }, () => rotate()));
    const { active, keys } = JSON.parse(await readFile(file, "utf8"));
    expect(keys).toHaveLength(5);
    expect(keys[0].id).toBe(active);
  });

  test("goes on with the keys it has when the file is damaged, and says so", async () => {
    const kms = await open();
    const wrapped = await kms.wrap(SECRET, CONTEXT);
    await writeFile(file, "{");
    const unknown = wrapped.replace(/\.[0-9a-f]+\./, ".unknown.");
    expect(await kms.unwrap(unknown, CONTEXT)).toBeUndefined();
    expect(String(errors)).toContain("kms.key is not a file of master keys");
    expect(await kms.unwrap(wrapped, CONTEXT)).toStrictEqual({ secret: SECRET, isCurrent: true });
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["no keys", '{"active":"a"}'],
    ["a short key", '{"active":"a","keys":[{"id":"a","key":"AAAA","created_at":"2026-01-01T00:00:00Z"}]}'],
    ["an active key that it lacks", '{"active":"a","keys":[]}'],
  ])("does not start on a file with %s, and repeats nothing of it", async (_name, text) => {
    await rotate();
    await writeFile(file, text);
    await expect(open()).rejects.toThrow(/kms\.key is not a file of master keys$/);
  });
});

function sealedOf(text: string): Buffer {
  const wrapped = parseWrapped(text);
  if (wrapped === undefined) throw new Error("it is no wrapped secret");
  return wrapped.sealed;
}
