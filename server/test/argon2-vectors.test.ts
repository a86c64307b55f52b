import { hashRawSync, hashSync, verifySync } from "@node-rs/argon2";
import argon2 from "argon2";
import { afterAll, describe, expect, test } from "vitest";
import { createHashPool } from "../src/crypto/hash-pool.ts";

type Parameters = { salt: Buffer; memoryCost: number; timeCost: number; parallelism: number; secret?: Buffer };
type Engine = {
  raw(password: Buffer, parameters: Parameters): Promise<Buffer>;
  hash(password: Buffer, parameters: Parameters): Promise<string>;
  verify(hash: string, password: Buffer): Promise<boolean>;
};

const argon2id = { type: argon2.argon2id } as const;
const ENGINES: Record<string, Engine> = {
  "@node-rs/argon2": {
    raw: async (password, parameters) => hashRawSync(password, { algorithm: 2, ...parameters }),
    hash: async (password, parameters) => hashSync(password, { algorithm: 2, ...parameters }),
    verify: async (hash, password) => verifySync(hash, password),
  },
  argon2: {
    raw: (password, parameters) => argon2.hash(password, { ...argon2id, ...parameters, raw: true }),
    hash: (password, parameters) => argon2.hash(password, { ...argon2id, ...parameters }),
    verify: (hash, password) => argon2.verify(hash, password),
  },
};
const NAMES = Object.keys(ENGINES);
const engineOf = (name: string) => ENGINES[name] ?? expect.unreachable(name);

/** Argon2id, version 19, of `src/test.c` in the reference implementation (P-H-C/phc-winner-argon2). */
const REFERENCE: [password: string, phc: string, hex: string][] = [
  [
    "password",
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
  ],
  [
    "password",
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
  ],
  [
    "password",
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
  ],
  [
    "password",
    "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg",
    "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98",
  ],
  [
    "password",
    "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$kCXUjmjvc5XMqQedpMTsOv+zyJEf5PhtGiUghW9jFyw",
    "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c",
  ],
];

function parametersOf(phc: string): Parameters {
  const [, , , costs = "", salt = ""] = phc.split("$");
  const [memoryCost = 0, timeCost = 0, parallelism = 0] = costs.split(",").map((cost) => Number(cost.slice(2)));
  return { salt: Buffer.from(salt, "base64"), memoryCost, timeCost, parallelism };
}

describe.each(NAMES)("the engine %s", (name) => {
  const engine = engineOf(name);

  test.each(REFERENCE)("makes of %j the reference implementation's %s", async (password, phc, hex) => {
    const parameters = parametersOf(phc);
    expect((await engine.raw(Buffer.from(password), parameters)).toString("hex")).toBe(hex);
    expect(await engine.hash(Buffer.from(password), parameters)).toBe(phc);
  });

  test.each(REFERENCE)("verifies %j against %s and nothing else", async (password, phc) => {
    expect(await engine.verify(phc, Buffer.from(password))).toBe(true);
    expect(await engine.verify(phc, Buffer.from(`${password}.`))).toBe(false);
    expect(await engine.verify(phc.replace("c29tZXNhbHQ", "ZGlmZnNhbHQ"), Buffer.from(password))).toBe(false);
    expect(await engine.verify(phc.replace(/t=\d/, "t=3"), Buffer.from(password))).toBe(false);
  });
});

/** RFC 9106 section 5.3. Its associated data can be given to one of the engines only. */
test("argon2 makes the tag of RFC 9106", async () => {
  const tag = await argon2.hash(Buffer.alloc(32, 1), {
    ...argon2id,
    raw: true,
    salt: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    memoryCost: 32,
    timeCost: 3,
    parallelism: 4,
  });
  expect(tag.toString("hex")).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

test("both engines make the same of the input of RFC 9106 without the associated data", async () => {
  const parameters = { salt: Buffer.alloc(16, 2), memoryCost: 32, timeCost: 3, parallelism: 4 };
  const [one, two] = await Promise.all(
    NAMES.map((name) => engineOf(name).raw(Buffer.alloc(32, 1), { ...parameters, secret: Buffer.alloc(8, 3) })),
  );
  expect(one?.toString("hex")).toBe(two?.toString("hex"));
});

/** The hash worker in a process where @node-rs/argon2 is not installed. */
const WITHOUT_NODE_RS = `
  import { register } from "node:module";
  const hooks = \`export const resolve = (name, context, next) => {
    if (name === "@node-rs/argon2") throw new Error("not installed");
    return next(name, context);
  }\`;
  register("data:text/javascript," + encodeURIComponent(hooks));
  await import(${JSON.stringify(new URL("../src/crypto/hash-worker.js", import.meta.url).href)});
`;

describe("the hash worker", () => {
  const pools = {
    "@node-rs/argon2": createHashPool({ threads: 1, maxQueue: 100 }),
    argon2: createHashPool({
      threads: 1,
      maxQueue: 100,
      worker: new URL(`data:text/javascript,${encodeURIComponent(WITHOUT_NODE_RS)}`),
    }),
  };
  type Name = keyof typeof pools;
  const names = Object.keys(pools) as Name[];
  afterAll(() => Promise.all(Object.values(pools).map((pool) => pool[Symbol.asyncDispose]())));

  const PASSWORDS = ["password", "", "pässwörd 🔑", "x".repeat(1024)];
  const pairs = names.flatMap((maker) => names.map((verifier) => [maker, verifier] as const));

  test.each(pairs)("with %s makes hashes that verify with %s", async (maker, verifier) => {
    for (const password of PASSWORDS.map((text) => Buffer.from(text))) {
      const hash = String(await pools[maker].run({ kind: "hash", password, memoryKib: 64, passes: 2 }));
      expect(hash).toMatch(/^\$argon2id\$v=19\$m=64,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
      expect(await pools[verifier].run({ kind: "verify", hash, password })).toBe(true);
      const other = Buffer.concat([password, Buffer.from(".")]);
      expect(await pools[verifier].run({ kind: "verify", hash, password: other })).toBe(false);
    }
  });

  test.each(names)("with %s verifies the reference implementation's hashes", async (name) => {
    for (const [password, hash] of REFERENCE) {
      expect(await pools[name].run({ kind: "verify", hash, password: Buffer.from(password) })).toBe(true);
      expect(await pools[name].run({ kind: "verify", hash, password: Buffer.from("another") })).toBe(false);
    }
  });

  test.each(names)("with %s never makes the same hash twice", async (name) => {
    const task = { kind: "hash", password: Buffer.from("password"), memoryKib: 64, passes: 1 } as const;
    const hashes = await Promise.all(Array.from({ length: 20 }, () => pools[name].run(task)));
    expect(new Set(hashes).size).toBe(20);
  });

  const MALFORMED: Record<string, string> = {
    empty: "",
    "no hash": "password",
    "cut off": "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
    "without costs": "$argon2id$v=19$$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "of another algorithm": "$scrypt$ln=4,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
  };

  test.each(names.flatMap((name) => Object.keys(MALFORMED).map((kind) => [name, kind] as const)))(
    "with %s verifies nothing against a hash that is %s, and works on",
    async (name, kind) => {
      const password = Buffer.from("password");
      const malformed = pools[name].run({ kind: "verify", hash: MALFORMED[kind] ?? "", password });
      expect(await malformed.catch((error: Error) => error.message)).not.toBe(true);
      const [, hash] = REFERENCE[1] ?? expect.unreachable();
      expect(await pools[name].run({ kind: "verify", hash, password })).toBe(true);
    },
  );
});

test("the worker without @node-rs/argon2 is one indeed", async () => {
  const probe = WITHOUT_NODE_RS.replace(
    /await import\(.*\);/,
    `const { parentPort } = await import("node:worker_threads");
     const found = await import("@node-rs/argon2").then(() => "found", (error) => error.message);
     parentPort.on("message", () => parentPort.postMessage({ result: found }));`,
  );
  const worker = new URL(`data:text/javascript,${encodeURIComponent(probe)}`);
  await using pool = createHashPool({ threads: 1, maxQueue: 1, worker });
  expect(await pool.run({ kind: "verify", hash: "", password: Buffer.alloc(0) })).toBe("not installed");
});
