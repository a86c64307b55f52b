import { chmod, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AccessTokenSettings, createAccessTokens } from "../src/crypto/access-tokens.ts";
import type { KeySlot } from "../src/crypto/key-algorithms.ts";
import type { StoredKey } from "../src/crypto/key-file.ts";
import { type KeyFolder, openKeyFolder } from "../src/crypto/key-folder.ts";
import { ensureKeys, type RotationContext, rotateKeys, rotateWhenDue } from "../src/crypto/key-rotation.ts";
import { type KeySettings, openKeys } from "../src/crypto/key-store.ts";
import type { User } from "../src/domain/user.ts";
import type { Clock } from "../src/service/ports.ts";
import { emptyFolder, filledFolder } from "./support/key-folders.ts";
import { createTestClock, type TestClock } from "./support/test-clock.ts";
import { testKeySettings } from "./support/test-keys.ts";

const DAY_S = 86_400;
const ID = "00000000-0000-4000-8000-000000000000";
const SESSION = { id: ID, authenticatedAt: new Date(0) };
const USER = { id: ID, username: "user", roles: ["user"], permissions: [] as string[] } as unknown as User;
const TOKENS: AccessTokenSettings = { issuer: "issuer", audience: "audience", ttlS: 900, nested: true };

const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, i) => make(i));

type OpenOptions = { clock?: Clock; generate?: boolean; settings?: Partial<KeySettings>; errors?: unknown[] };

async function open(dir: string, { clock = createTestClock(), generate = false, settings, errors }: OpenOptions = {}) {
  const onError = (error: unknown) => (errors ?? expect.unreachable(String(error))).push(error);
  const keys = await openKeys({ settings: { ...testKeySettings(dir), ...settings }, clock, generate, onError });
  onTestFinished(() => keys[Symbol.dispose]());
  return { ...keys, tokens: createAccessTokens({ keys: keys.ring, clock, settings: TOKENS }) };
}

async function stored(dir: string): Promise<StoredKey[]> {
  return (await openKeyFolder(dir)).read();
}

/** How many keys of each kind are in which state. */
async function census(dir: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { use, alg, state } of await stored(dir)) {
    const kind = `${use} ${alg} ${state}`;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

const KINDS = ["sig ES256", "enc ECDH-ES+A256KW", "enc_front RSA-OAEP-256", "enc_front ECDH-ES"];
const expected = (states: Record<string, number>) =>
  Object.fromEntries(
    KINDS.flatMap((kind) => Object.entries(states).map(([state, count]) => [`${kind} ${state}`, count])),
  );

describe("a rotation", () => {
  test("makes next active, puts active into grace, publishes another next, and erases what is past its grace", async () => {
    const dir = await filledFolder();
    const clock = createTestClock();
    const { rotate } = await open(dir, { clock });
    const before = await stored(dir);
    clock.advance(1);
    await rotate();
    expect(await census(dir)).toStrictEqual(expected({ active: 1, next: 1, grace: 1 }));
    const after = new Map((await stored(dir)).map((key) => [key.kid, key]));
    const became = { active: "grace", next: "active", grace: "" };
    for (const key of before) expect(after.get(key.kid)?.state).toBe(became[key.state]);
    clock.advance(1260);
    await rotate();
    expect(await census(dir)).toStrictEqual(expected({ active: 1, next: 1, grace: 1 }));
    const actives = before.filter((key) => key.state === "active").map((key) => key.kid);
    expect((await stored(dir)).filter((key) => actives.includes(key.kid))).toStrictEqual([]);
  });

  test("fails no token that is issued and opened meanwhile, here or in another process of the folder", async () => {
    const dir = await filledFolder();
    const clock = createTestClock();
    const here = await open(dir, { clock });
    const there = await open(dir, { clock });
    const signers = new Set<string>();
    const recent: string[] = [];
    let opened = 0;
    let rotating = true;
    async function load(): Promise<void> {
      while (rotating) {
        signers.add(here.ring.signer().kid);
        const [mine, theirs] = await Promise.all([here, there].map(({ tokens }) => tokens.issue(USER, SESSION)));
        recent.unshift(mine ?? "", theirs ?? "");
        recent.length = Math.min(recent.length, 200);
        const old = recent.at(-1) ?? "";
        await Promise.all([mine, theirs, old].map((token) => there.tokens.verify(token ?? "")));
        await Promise.all([mine, theirs, old].map((token) => here.tokens.verify(token ?? "")));
        opened += 6;
        await nextTurn();
      }
    }
    const first = await here.tokens.issue(USER, SESSION);
    const loads = Promise.all(times(4, load));
    onTestFinished(() => {
      rotating = false;
    });
    for (let i = 0; i < 4; i++) {
      clock.advance(1);
      await (i % 2 === 0 ? here : there).rotate();
      // A ring may have been read in the middle of a rotation. The next one begins when both know all of this one.
      const kids = (await stored(dir)).map(({ kid }) => kid).sort();
      const known = () =>
        [here, there].map(({ ring }) =>
          ring
            .all()
            .map(({ kid }) => kid)
            .sort(),
        );
      await expect.poll(known, { timeout: 5_000 }).toStrictEqual([kids, kids]);
    }
    rotating = false;
    await loads;
    expect(await here.tokens.verify(first)).toMatchObject({ userId: ID });
    expect(opened).toBeGreaterThan(1000);
    expect(signers.size).toBeGreaterThanOrEqual(4);
  });

  test("never shows a reader a slot without an active and a next key", async () => {
    const context = await smallContext();
    let rotating = true;
    const rotations = (async () => {
      for (let i = 1; i <= 8; i++) await rotateKeys(later(context, i));
      rotating = false;
    })();
    while (rotating) {
      const snapshots = await Promise.all(times(8, () => context.folder.read()));
      for (const { use } of context.slots) {
        const states = snapshots.map((keys) => keys.filter((key) => key.use === use).map(({ state }) => state));
        expect(states.filter((each) => !each.includes("active") || !each.includes("next"))).toStrictEqual([]);
      }
    }
    await rotations;
  });
});

const SMALL: KeySlot[] = [
  { use: "sig", alg: "ES256" },
  { use: "enc", alg: "ECDH-ES+A256KW", crv: "X25519" },
];

/** Two slots with keys that cost nothing to make. */
async function smallContext(): Promise<RotationContext> {
  const folder = await openKeyFolder(await emptyFolder());
  const context = { folder, slots: SMALL, graceS: 1260, now: new Date("2026-01-01T00:00:00Z") };
  await ensureKeys(context, { generate: true });
  return context;
}

const later = (context: RotationContext, seconds: number): RotationContext => ({
  ...context,
  now: new Date(context.now.getTime() + seconds * 1000),
});

/** A folder whose process dies after so many changes. */
function dyingAfter(folder: KeyFolder, changes: number): KeyFolder {
  let left = changes;
  const count = () => (left-- > 0 ? Promise.resolve() : Promise.reject(new Error("the process died")));
  return {
    ...folder,
    write: (key) => count().then(() => folder.write(key)),
    erase: (key) => count().then(() => folder.erase(key)),
  };
}

describe("a rotation that was cut off", () => {
  const WRITES = 12;

  test("has twelve writes in all", async () => {
    const dir = await filledFolder();
    const folder = await openKeyFolder(dir);
    let writes = 0;
    const counting = { ...folder, write: (key: StoredKey) => folder.write(key).finally(() => writes++) };
    await rotateKeys({ folder: counting, slots: slotsOf(), graceS: 1260, now: new Date() });
    expect(writes).toBe(WRITES);
  });

  function slotsOf(): KeySlot[] {
    return [
      ...SMALL,
      { use: "enc_front", alg: "RSA-OAEP-256", rsaBits: 2048 },
      { use: "enc_front", alg: "ECDH-ES", crv: "P-256" },
    ];
  }

  test.each(times(WRITES, (i) => i))(
    "after %i writes loses no key, and a new start has one key to use in each use",
    async (writes) => {
      const dir = await filledFolder();
      const clock = createTestClock();
      const before = await open(dir, { clock });
      const token = await before.tokens.issue(USER, SESSION);
      const kids = (await stored(dir)).map((key) => key.kid);
      clock.advance(1);
      const folder = dyingAfter(await openKeyFolder(dir), writes);
      await expect(rotateKeys({ folder, slots: slotsOf(), graceS: 1260, now: clock.now() })).rejects.toThrow("died");

      const after = await open(dir, { clock });
      expect((await stored(dir)).map((key) => key.kid)).toStrictEqual(expect.arrayContaining(kids));
      expect(await after.tokens.verify(token)).toMatchObject({ userId: ID });
      const fresh = await after.tokens.issue(USER, SESSION);
      expect(await after.tokens.verify(fresh)).toMatchObject({ userId: ID });
      expect(kids).toContain(after.ring.signer().kid);
      expect(kids).toContain(after.ring.encrypter().kid);
      expect(await before.tokens.verify(fresh)).toMatchObject({ userId: ID });

      clock.advance(60);
      expect(await after.rotateWhenDue(90)).toBe(false);
      const counts = await census(dir);
      for (const kind of KINDS) expect(counts[`${kind} active`], kind).toBe(1);
      const signer = (await stored(dir)).find((key) => key.use === "sig" && key.state === "active");
      expect(signer?.kid).toBe(after.ring.signer().kid);

      clock.advance(60);
      await after.rotate();
      const settled = await census(dir);
      for (const kind of KINDS)
        expect([settled[`${kind} active`], settled[`${kind} next`]], kind).toStrictEqual([1, 1]);
      expect(await after.tokens.verify(token)).toMatchObject({ userId: ID });
    },
  );

  test.each(times(6, (i) => i))("after %i writes is finished by a start that may make keys", async (writes) => {
    const context = await smallContext();
    await expect(rotateKeys({ ...later(context, 60), folder: dyingAfter(context.folder, writes) })).rejects.toThrow(
      "died",
    );
    expect(await ensureKeys(later(context, 120), { generate: true })).toStrictEqual([]);
    const states = (await context.folder.read()).map(({ use, state }) => `${use} ${state}`);
    expect(states.filter((state) => state.endsWith("active")).sort()).toStrictEqual(["enc active", "sig active"]);
  });

  test.each(times(4, (i) => i))(
    "is begun again with the key published first, not with the one just made (%i)",
    async () => {
      const context = await smallContext();
      const published = (await context.folder.read()).filter((key) => key.state === "next").map((key) => key.kid);
      await expect(rotateKeys({ ...later(context, 1), folder: dyingAfter(context.folder, 1) })).rejects.toThrow("died");
      const waiting = (await context.folder.read()).filter((key) => key.use === "sig" && key.state === "next");
      expect(waiting).toHaveLength(2);
      await rotateKeys(later(context, 2));
      const keys = await context.folder.read();
      const active = keys.filter((key) => key.state === "active").map((key) => key.kid);
      expect(active.sort()).toStrictEqual(published.sort());
      expect(keys).toHaveLength(6);
    },
  );

  test("leaves no private key behind in a file that it did not finish", async () => {
    const dir = await filledFolder();
    const leftover = join(dir, "sig-ES256-kid.jwk.json.1.tmp");
    await writeFile(leftover, "{}");
    const { rotate } = await open(dir);
    await rotate();
    expect((await readdir(dir)).filter((name) => !name.endsWith(".jwk.json"))).toStrictEqual([]);
  });
});

describe("two rotations at once", () => {
  test("come one after the other, and each is whole", async () => {
    const dir = await filledFolder();
    const clock = createTestClock();
    const [one, two] = [await open(dir, { clock }), await open(dir, { clock })];
    const actives = (await stored(dir)).filter((key) => key.state === "active").map((key) => key.kid);
    clock.advance(1);
    await Promise.all([one.rotate(), two.rotate()]);
    expect(await census(dir)).toStrictEqual(expected({ active: 1, next: 1, grace: 2 }));
    const graced = (await stored(dir)).filter((key) => key.state === "grace").map((key) => key.kid);
    expect(graced).toStrictEqual(expect.arrayContaining(actives));
  });

  test("that are due are one", async () => {
    const context = await smallContext();
    const due = later(context, 91 * DAY_S);
    const rotated = await Promise.all(times(5, () => rotateWhenDue(due, 90)));
    expect(rotated.filter((each) => each)).toHaveLength(1);
    const states = (await context.folder.read()).map(({ use, state }) => `${use} ${state}`).sort();
    expect(states).toStrictEqual(
      ["enc", "sig"].flatMap((use) => ["active", "grace", "next"].map((s) => `${use} ${s}`)),
    );
  });

  test("that are not due yet write nothing", async () => {
    const context = await smallContext();
    const before = await context.folder.fingerprint();
    expect(await rotateWhenDue(later(context, 89 * DAY_S), 90)).toBe(false);
    expect(await context.folder.fingerprint()).toBe(before);
  });
});

describe("a file that holds no key", () => {
  const good = async (dir: string) => (await stored(dir)).find((key) => key.use === "sig" && key.state === "active");
  const changed = (changes: Record<string, unknown>) => (key: StoredKey) => JSON.stringify({ ...key, ...changes });

  const MALFORMED: Record<string, (key: StoredKey) => string> = {
    "is empty": () => "",
    "is cut off": (key) => JSON.stringify(key).slice(0, 40),
    "is null": () => "null",
    "is a list": (key) => JSON.stringify([key]),
    "has no kid": changed({ kid: undefined }),
    "has another kid": changed({ kid: "../../etc/passwd" }),
    "has an unknown use": changed({ use: "signature" }),
    "has an unknown state": changed({ state: "acitve" }),
    "does not say since when": changed({ since: "yesterday" }),
    "has no private part": changed({ d: undefined }),
    "has another kind of key": changed({ kty: "RSA" }),
  };

  test.each(Object.keys(MALFORMED))(
    "because it %s stops every start and every rotation with its name, and nothing is lost",
    async (name) => {
      const dir = await filledFolder();
      const running = await open(dir, { errors: [] });
      const key = (await good(dir)) ?? expect.unreachable();
      const file = join(dir, `sig-ES256-${key.kid}.jwk.json`);
      await writeFile(file, MALFORMED[name]?.(key) ?? "");
      const before = await contents(dir);
      const attempts = [
        () => open(dir, { generate: false }),
        () => open(dir, { generate: true }),
        () => running.rotate(),
        () => running.rotateWhenDue(0),
      ];
      for (const attempt of attempts) {
        const error = await attempt().then(
          () => expect.unreachable(),
          (caught: Error) => caught,
        );
        expect(error.message).toContain(`${file} is not a key file: it `);
        expect(error.message).not.toContain(key["d"] ?? "");
      }
      expect(await contents(dir)).toStrictEqual(before);
      expect(running.ring.signer().kid).toBe(key.kid);
    },
  );

  test("under a name that is not its own stops a start: it would come back after its rotation", async () => {
    const dir = await filledFolder();
    const key = (await good(dir)) ?? expect.unreachable();
    await rename(join(dir, `sig-ES256-${key.kid}.jwk.json`), join(dir, "mine.jwk.json"));
    await expect(open(dir)).rejects.toThrow(
      `${join(dir, "mine.jwk.json")} is not a key file: it holds a key of another name`,
    );
  });

  test("tells a running server, which goes on with the keys it has until the file is mended", async () => {
    const dir = await filledFolder();
    const errors: Error[] = [];
    const clock = createTestClock();
    const { ring, tokens, rotate } = await open(dir, { clock, errors });
    const file = join(dir, "sig-ES256-broken.jwk.json");
    await writeFile(file, "{");
    await expect.poll(() => errors.length, { timeout: 5_000 }).toBeGreaterThan(0);
    expect(errors[0]?.message).toBe(`${file} is not a key file: it does not parse as JSON`);
    expect(await tokens.verify(await tokens.issue(USER, SESSION))).toMatchObject({ userId: ID });
    await rm(file);
    const { kid } = ring.signer();
    clock.advance(1);
    await rotate();
    await expect.poll(() => ring.signer().kid, { timeout: 5_000 }).not.toBe(kid);
  });
});

async function contents(dir: string): Promise<string[][]> {
  const names = (await readdir(dir)).sort();
  return Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), "utf8")]));
}

describe("a change of the algorithm", () => {
  test("from ES256 to RS256 keeps old tokens valid while their key is in grace, and no longer", async () => {
    const dir = await filledFolder();
    const clock: TestClock = createTestClock();
    const before = await open(dir, { clock });
    const old = await before.tokens.issue(USER, SESSION);
    clock.advance(1);
    const after = await open(dir, { clock, generate: true, settings: { signingAlg: "RS256" } });
    expect(after.ring.signer().alg).toBe("RS256");
    expect(await after.tokens.verify(old)).toMatchObject({ userId: ID });
    expect(await census(dir)).toMatchObject({ "sig RS256 active": 1, "sig RS256 next": 1, "sig ES256 grace": 2 });
    expect(
      after.ring
        .published()
        .keys.filter(({ use }) => use === "sig")
        .map(({ alg }) => alg),
    ).toStrictEqual(["RS256", "RS256", "ES256", "ES256"]);
    const fresh = await after.tokens.issue(USER, SESSION);
    await expect.poll(() => before.tokens.read(fresh), { timeout: 5_000 }).toMatchObject({ userId: ID });

    clock.advance(899);
    expect(await after.tokens.verify(old)).toMatchObject({ userId: ID });
    clock.advance(361);
    expect(await after.rotateWhenDue(90)).toBe(false);
    expect(Object.keys(await census(dir))).not.toContain("sig ES256 grace");
    await expect.poll(() => after.tokens.read(old), { timeout: 5_000 }).toBeUndefined();
  });
});

describe("the files", () => {
  const mode = async (path: string) => (await stat(path)).mode & 0o777;

  test("are for their owner alone, the folder too, from the first key to the last rotation", async () => {
    const dir = await emptyFolder();
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const clock = createTestClock();
    const { rotate } = await open(dir, { clock, generate: true });
    clock.advance(1);
    await rotate();
    expect(await mode(dir)).toBe(0o700);
    const names = await readdir(dir);
    expect(names.length).toBe(12);
    for (const name of names) expect(await mode(join(dir, name)), name).toBe(0o600);
  });

  test("that were readable for others are not any more once they are written again", async () => {
    const dir = await filledFolder();
    const names = await readdir(dir);
    await Promise.all(names.map((name) => chmod(join(dir, name), 0o644)));
    const clock = createTestClock();
    const { rotate } = await open(dir, { clock });
    clock.advance(1);
    await rotate();
    for (const name of await readdir(dir)) expect(await mode(join(dir, name)), name).toBe(0o600);
  });
});
