import { generateKeyPairSync } from "node:crypto";
import { importOpener, importRecipient, openRequest, sealHandshake } from "@sello/envelope";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createChannels } from "../src/crypto/channels.ts";
import type { ChannelStore } from "../src/service/channel-ports.ts";
import type { Kms } from "../src/service/ports.ts";

// The cache holds on to the platform's `performance`, which must not be replaced as a whole.
let nowMs: number;
beforeEach(() => {
  nowMs = 1_000;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function pass(seconds: number): void {
  nowMs += seconds * 1000;
  vi.advanceTimersByTime(seconds * 1000);
}

const BINDING = "/auth/handshake";
const CALL = "/orders";
const TTL_S = 100;

/** Stores what it is told to, for ever, and counts who asks for a key. */
function createPlaces() {
  const asked = { roots: 0, unwraps: 0 };
  const roots = new Map<string, string>();
  const store: ChannelStore = {
    async create(sid, wrappedRoot) {
      roots.set(sid, wrappedRoot);
    },
    async findRoot(sid) {
      asked.roots++;
      return roots.get(sid);
    },
    accept: async () => "accepted",
  };
  const kms: Kms = {
    wrap: async (secret) => Buffer.from(secret).toString("base64url"),
    async unwrap(wrapped) {
      asked.unwraps++;
      return { secret: Buffer.from(wrapped, "base64url"), isCurrent: true };
    },
  };
  const signer = () => expect.unreachable("a plain handshake has no proof");
  return { asked, channels: createChannels({ store, kms, signer, ttlS: TTL_S }) };
}

async function shakeHands({ channels }: ReturnType<typeof createPlaces>) {
  const pair = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { format: "jwk" },
    privateKeyEncoding: { format: "jwk" },
  } as never) as unknown as { publicKey: object; privateKey: object };
  const about = { kid: "front", alg: "ECDH-ES" };
  const [recipient, opener] = await Promise.all([
    importRecipient({ ...pair.publicKey, ...about }),
    importOpener({ ...pair.privateKey, ...about }),
  ]);
  const handshake = await sealHandshake(recipient, { binding: BINDING, now: 0 });
  const opened = await openRequest(() => opener, handshake.envelope, { binding: BINDING, now: 0, aadRequired: true });
  const { contentKey } = opened;
  const { sid, expiresInS } = await channels.create({ contentKey, keyShare: undefined, binding: BINDING });
  const answer = await opened.sealAnswer(JSON.stringify({ sid, expires_in: expiresInS }));
  return (await handshake.openAnswer(answer)).channel;
}

test("a channel's keys are derived once, and forgotten when the channel cannot be alive any more", async () => {
  const places = createPlaces();
  const client = await shakeHands(places);
  const openNext = async () => (await places.channels.open((await client.seal("{}", CALL)).envelope, CALL)).n;
  expect(await openNext()).toBe(1);
  expect(await openNext()).toBe(2);
  expect(places.asked).toStrictEqual({ roots: 1, unwraps: 1 });
  pass(TTL_S + 59);
  expect(await openNext()).toBe(3);
  expect(places.asked.unwraps).toBe(1);
  pass(2);
  expect(await openNext()).toBe(4);
  expect(places.asked).toStrictEqual({ roots: 2, unwraps: 2 });
});

test("keys that nobody asks for again go by themselves", async () => {
  const places = createPlaces();
  const client = await shakeHands(places);
  await places.channels.open((await client.seal("{}", CALL)).envelope, CALL);
  expect(vi.getTimerCount()).toBeGreaterThan(0);
  pass(TTL_S + 61);
  expect(vi.getTimerCount()).toBe(0);
});
