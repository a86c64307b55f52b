import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { challengeOf, type MfaUser, registerMfaUser, verify } from "./support/mfa.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const ENV = { LOCKOUT_THRESHOLD: "1000000", LOG_LEVEL: "error", ARGON2_MEMORY_KIB: "64" };
const nobodys = () => `mfa_${randomBytes(32).toString("base64url")}`;

/** An answer as it goes over the wire, without what differs between any two. */
async function answerOf(server: TestApp, challenge: string, code: string): Promise<unknown> {
  const response = await fetch(`${server.url}/auth/mfa/verify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ mfa_challenge: challenge, code }),
  });
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !/^(date|x-request-id)$/.test(name)));
  return { status: response.status, headers, body: await response.text() };
}

describe("whether a challenge is somebody's", () => {
  test.each([
    ["a code of the app", (user: MfaUser) => user.wrong()],
    ["a recovery code", () => "ZZZZ-ZZZZ-ZZZZ-ZZZZ"],
    ["a code of no form", () => "12345"],
  ])("does not show in the answer to %s that is wrong, to the byte", async (_name, code) => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const known = await answerOf(server, challenge, code(user));
    expect(known).toMatchObject({
      status: 401,
      body: '{"error":{"code":"mfa_invalid","message":"The code is wrong, used or over."}}',
    });
    expect(await answerOf(server, nobodys(), code(user))).toStrictEqual(known);
    expect(await answerOf(server, "not a challenge", code(user))).toStrictEqual(known);
  });

  test.each([
    ["a code of the app", (user: MfaUser) => user.wrong()],
    ["a recovery code", () => "ZZZZ-ZZZZ-ZZZZ-ZZZZ"],
  ])("does not show in the time of the answer to %s", { timeout: 180_000 }, async (_name, code) => {
    const server = await startAppForTest({ env: ENV });
    const user = await registerMfaUser(server);
    const timed = async (challenge: string) => {
      const begun = performance.now();
      await verify(server.url, challenge, code(user));
      return performance.now() - begun;
    };
    for (let i = 0; i < 30; i++) {
      await timed(await challengeOf(server, user.credentials.email));
      await timed(nobodys());
    }
    const known: number[] = [];
    const unknown: number[] = [];
    for (let pair = 0; pair < 300; pair++) {
      const challenge = await challengeOf(server, user.credentials.email);
      const kinds = [
        { challenge, times: known },
        { challenge: nobodys(), times: unknown },
      ];
      for (const { challenge: tried, times } of pair % 2 === 0 ? kinds : kinds.toReversed())
        times.push(await timed(tried));
    }
    const rank = probabilityOfSlower(known, unknown);
    expect(rank).toBeGreaterThan(0.4);
    expect(rank).toBeLessThan(0.6);
  });
});

/** How often one of the first is slower than one of the second (Mann-Whitney): 0.5 when nothing tells them apart. */
function probabilityOfSlower(first: number[], second: number[]): number {
  let slower = 0;
  for (const a of first) for (const b of second) slower += a > b ? 1 : a === b ? 0.5 : 0;
  return slower / (first.length * second.length);
}
