import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, newUser, PASSWORD, refresh, registerUser } from "./support/client.ts";
import { changePassword } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents, newestSession } from "./support/stored.ts";

const N = 20;
const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const tally = (answers: { status: number }[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

let server: TestApp;
let replica: TestApp;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "5" } });
  replica = await startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const either = (index: number) => (index % 2 === 0 ? server.url : replica.url);

describe("on two replicas", () => {
  test("parallel refreshes of one token give one successor, one chain and no revocation", async () => {
    for (let round = 0; round < 5; round++) {
      const { refresh_token, access_token, user } = await registerUser(server.url);
      const answers = await Promise.all(times(N, (i) => refresh(either(i), refresh_token)));
      expect(tally(answers)).toStrictEqual({ 200: N });
      const successors = new Set(answers.map(({ body }) => body.refresh_token));
      expect(successors.size).toBe(1);

      const chain = await server.db.query("SELECT used_at FROM refresh_tokens WHERE session_id = $1", [
        await newestSession(server, user.id),
      ]);
      expect(chain.rows.filter(({ used_at }) => used_at === null)).toHaveLength(1);
      expect(chain.rows).toHaveLength(2);
      expect((await me(replica.url, access_token)).status).toBe(200);
      expect((await refresh(replica.url, answers[0]?.body.refresh_token ?? "")).status).toBe(200);
    }
  });

  test("parallel replays of a used token are recorded once", async () => {
    const { refresh_token, user } = await registerUser(server.url);
    const second = await refresh(server.url, refresh_token);
    await refresh(server.url, second.body.refresh_token);
    const answers = await Promise.all(times(N, (i) => refresh(either(i), refresh_token)));
    expect(tally(answers)).toStrictEqual({ 401: N });
    expect(await countEvents(server, "session.refresh_reused", user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("no token lives after a logout answered, whichever refresh it met", async () => {
    for (let round = 0; round < 30; round++) {
      const first = await registerUser(server.url);
      const logout = call(`${either(round)}/auth/logout`, { body: { refresh_token: first.refresh_token } });
      const racing = times(4, (i) => refresh(either(i), first.refresh_token));
      expect((await logout).status).toBe(200);
      const granted = (await Promise.all(racing)).filter(({ status }) => status === 200);
      for (const { body } of [{ body: first }, ...granted]) {
        expect((await me(either(round + 1), body.access_token)).status).toBe(401);
        expect((await refresh(either(round), body.refresh_token)).status).toBe(401);
      }
    }
  });

  test("one email registers once", async () => {
    const user = newUser();
    const bodies = times(N, (i) => ({ ...user, username: `${user.username}${i}` }));
    const answers = await Promise.all(bodies.map((body, i) => call(`${either(i)}/auth/register`, { body })));
    expect(tally(answers)).toStrictEqual({ 201: 1, 409: N - 1 });
  });

  test("one username registers once, whatever its case", async () => {
    const user = newUser();
    const bodies = times(N, (i) => ({
      ...user,
      email: `${i}-${user.email}`,
      username: i % 2 ? user.username : user.username.toUpperCase(),
    }));
    const answers = await Promise.all(bodies.map((body, i) => call(`${either(i)}/auth/register`, { body })));
    expect(tally(answers)).toStrictEqual({ 201: 1, 409: N - 1 });
  });

  test("no session that the old password opened lives after it was changed", async () => {
    for (let round = 0; round < 15; round++) {
      const owner = await registerUser(server.url);
      const racing = times(6, (i) => loginUser(either(i), owner.credentials.email));
      const changed = await changePassword(either(round), owner.access_token, {
        currentPassword: PASSWORD,
        newPassword: `another passphrase ${round}`,
      });
      const opened = (await Promise.all(racing)).filter(({ status }) => status === 200);
      // Locked by the parallel attempts, or done: in both cases nothing half way.
      expect([200, 400]).toContain(changed.status);
      const alive = await Promise.all(opened.map(({ body }) => me(server.url, body.access_token)));
      expect(new Set(alive.map(({ status }) => status))).toStrictEqual(
        new Set(opened.length === 0 ? [] : [changed.status === 200 ? 401 : 200]),
      );
      expect((await me(server.url, owner.access_token)).status).toBe(200);
    }
  });

  test("two changes of one password never both succeed", async () => {
    const first = await registerUser(server.url);
    const second = await loginUser(server.url, first.credentials.email);
    const [one, two] = await Promise.all([
      changePassword(server.url, first.access_token, { currentPassword: PASSWORD, newPassword: "passphrase number 1" }),
      changePassword(replica.url, second.body.access_token, {
        currentPassword: PASSWORD,
        newPassword: "passphrase number 2",
      }),
    ]);
    expect([one.status, two.status].filter((status) => status === 200)).toHaveLength(1);
    const alive = await Promise.all([first.access_token, second.body.access_token].map((t) => me(server.url, t)));
    expect(alive.map(({ status }) => status)).toStrictEqual(one.status === 200 ? [200, 401] : [401, 200]);
  });

  test("parallel guesses get no further than the threshold", async () => {
    const { credentials } = await registerUser(server.url);
    const answers = await Promise.all(
      times(N, (i) => loginUser(either(i), credentials.email, `a guess with number ${i}`)),
    );
    expect(tally(answers)).toStrictEqual({ 401: 5, 423: N - 5 });
  });

  test("parallel good logins upgrade an old hash, and none of them is refused", async () => {
    const lenient = await startAppForTest({
      databaseUrl: server.databaseUrl,
      keysDir: server.keysDir,
      env: { LOCKOUT_THRESHOLD: "100", ARGON2_PASSES: "2" },
    });
    const { credentials } = await registerUser(server.url);
    const answers = await Promise.all(times(8, () => loginUser(lenient.url, credentials.email)));
    expect(tally(answers)).toStrictEqual({ 200: 8 });
  });
});
