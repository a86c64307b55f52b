import { describe, expect, test } from "vitest";
import { loginUser, newUser, registerUser } from "./support/client.ts";
import { startAppForTest } from "./support/start-app.ts";

const WRONG = "not the passphrase";
const PAIRS = 300;

/** An answer as it goes over the wire, without what differs between any two. */
async function answerOf(url: string, identifier: string): Promise<unknown> {
  const response = await fetch(`${url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier, password: WRONG }),
  });
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !/^(date|x-request-id)$/.test(name)));
  return { status: response.status, headers, body: Buffer.from(await response.arrayBuffer()).toString("hex") };
}

describe("whether somebody has an account", () => {
  test("does not show in the answer of a login or of a lock, to the byte", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    const stranger = newUser();
    for (let attempt = 0; attempt < 8; attempt++) {
      const known = await answerOf(server.url, credentials.email);
      expect(await answerOf(server.url, stranger.email)).toStrictEqual(known);
    }
  });

  test("does not show for a user who is disabled", async () => {
    const server = await startAppForTest();
    const { credentials, user } = await registerUser(server.url);
    await server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]);
    const right = await loginUser(server.url, credentials.email);
    const unknown = await loginUser(server.url, newUser().email);
    expect([right.status, right.body]).toStrictEqual([unknown.status, unknown.body]);
  });

  test("does not show in the time of the answer", { timeout: 120_000 }, async () => {
    const server = await startAppForTest({
      env: { ARGON2_MEMORY_KIB: "8192", ARGON2_PASSES: "2", LOCKOUT_THRESHOLD: "1000000", LOG_LEVEL: "error" },
    });
    const { credentials } = await registerUser(server.url);
    const stranger = newUser();
    const timed = async (identifier: string) => {
      const begun = performance.now();
      await loginUser(server.url, identifier, WRONG);
      return performance.now() - begun;
    };
    for (let i = 0; i < 20; i++) await Promise.all([timed(credentials.email), timed(stranger.email)]);

    const known: number[] = [];
    const unknown: number[] = [];
    const kinds = [
      { identifier: credentials.email, times: known },
      { identifier: stranger.email, times: unknown },
    ];
    for (let pair = 0; pair < PAIRS; pair++) {
      // Each goes first as often as second: whatever the first pays for both is paid by either.
      for (const { identifier, times } of pair % 2 === 0 ? kinds : kinds.toReversed()) {
        times.push(await timed(identifier));
      }
    }
    const rank = probabilityOfSlower(known, unknown);
    console.log("RANK", rank); expect(rank).toBeGreaterThan(0.4);
    expect(rank).toBeLessThan(0.6);
  });
});

/** How often one of the first is slower than one of the second (Mann-Whitney): 0.5 when nothing tells them apart. */
function probabilityOfSlower(first: number[], second: number[]): number {
  let slower = 0;
  for (const a of first) for (const b of second) slower += a > b ? 1 : a === b ? 0.5 : 0;
  return slower / (first.length * second.length);
}
