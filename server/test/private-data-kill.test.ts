import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loginUser, PASSWORD, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { bareEnvironment } from "./support/server-processes.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";
import { newestSession } from "./support/stored.ts";

const CHILD = fileURLToPath(new URL("./support/change-password-child.mjs", import.meta.url));
const KILLS = 50;
/** Those of a change of password: count the attempt, take it back, read the key, begin, three changes and a look, commit. */
const STATEMENTS = 9;

type Death = { nth: number; when: "before" | "after" } | undefined;
type Killed = { child: ChildProcess; name: string };

/** At each statement once before and once after it was sent, and then after a time, from none to longer than it takes. */
const AT_STATEMENTS: Death[] = Array.from({ length: 2 * STATEMENTS }, (_, i) => ({
  nth: Math.floor(i / 2) + 1,
  when: i % 2 === 0 ? "before" : "after",
}));
const AT_TIMES = Array.from({ length: KILLS - AT_STATEMENTS.length }, (_, i) => i);

async function startChild(server: TestApp, name: string): Promise<Killed> {
  const url = new URL(server.databaseUrl);
  url.searchParams.set("application_name", name);
  const env = bareEnvironment({
    DATABASE_URL: url.href,
    DATABASE_POOL: "2",
    KEYS_DIR: server.keysDir,
    ARGON2_MEMORY_KIB: "64",
    ARGON2_PASSES: "1",
    LOCKOUT_THRESHOLD: "1000",
    RATE_LIMIT_LOGIN_ACCOUNT: "off",
    LOG_LEVEL: "error",
  });
  const child = fork(CHILD, [], { env, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ended = once(child, "exit").then(() => Promise.reject(new Error("the child ended before it was ready")));
  await Promise.race([once(child, "message"), ended]);
  ended.catch(() => {});
  return { child, name };
}

/** Until what the process had sent to the database is carried out or rolled back. */
async function gone(server: TestApp, { child, name }: Killed): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  const open = "SELECT FROM pg_stat_activity WHERE application_name = $1";
  await expect.poll(async () => (await server.db.query(open, [name])).rowCount, { interval: 5 }).toBe(0);
}

test("a change of password that is killed half way, 50 times, leaves private data to the password that logs in", async () => {
  const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
  const { access_token: token, user, credentials } = await registerUser(server.url);
  const dataPrivate = { bankAccount: "GB33BUKB20201555555555" };
  const { recoveryKey } = await profile(server.url, "UpdatePrivateData", { token, password: PASSWORD, dataPrivate });
  const session = await newestSession(server, user.id);
  const bearer = { user: { ...user, ...credentials }, sessionId: session };
  const log = (password: string) => loginUser(server.url, credentials.email, password);

  let present = PASSWORD;
  const won = { old: 0, new: 0 };
  /** Runs one change, ends it, and looks what it left. */
  const round = async (running: Killed, death: Death, end: (child: ChildProcess) => Promise<unknown>) => {
    const next = `the passphrase after ${present.slice(-20)}${won.old}.${won.new}`;
    running.child.send({ bearer, passwords: { currentPassword: present, newPassword: next }, death });
    await end(running.child);
    running.child.kill("SIGKILL");
    await gone(server, running);
    const logins = { old: await log(present), new: await log(next) };
    expect([logins.old.status, logins.new.status].sort()).toStrictEqual([200, 401]);
    const winner = logins.old.status === 200 ? "old" : "new";
    won[winner]++;
    present = winner === "old" ? present : next;
    const read = { token: logins[winner].body.access_token, password: present };
    expect(await profile(server.url, "UnlockPrivateData", read)).toMatchObject({ status: 200, dataPrivate });
    return winner;
  };

  const whole = await startChild(server, "kill-whole");
  const start = performance.now();
  expect(await round(whole, undefined, (child) => once(child, "message"))).toBe("new");
  const takesMs = performance.now() - start;
  const following = [0, 1].map((i) => startChild(server, `kill-${i}`));
  const take = (i: number) => {
    following.push(startChild(server, `kill-${i + 2}`));
    return following.shift() ?? expect.unreachable();
  };
  const outcomes: string[] = [];
  for (const [i, death] of AT_STATEMENTS.entries()) {
    outcomes.push(await round(await take(i), death, (child) => once(child, "exit")));
  }
  // Nothing is decided before the commit is sent, and everything once it was.
  expect(outcomes.slice(0, -1)).toStrictEqual(outcomes.slice(0, -1).map(() => "old"));
  for (const i of AT_TIMES) {
    const delayMs = (i / AT_TIMES.length) * takesMs * 1.2;
    await round(await take(AT_STATEMENTS.length + i), undefined, () => wait(delayMs));
  }
  for (const { child } of await Promise.all(following)) child.kill("SIGKILL");

  expect(won.old + won.new).toBe(KILLS + 1);
  expect(won.old).toBeGreaterThanOrEqual(2 * STATEMENTS - 1);
  const { body } = await log(present);
  const recovered = { token: body.access_token, password: present, recoveryKey };
  expect(await profile(server.url, "UnlockPrivateData", recovered)).toMatchObject({ status: 200, dataPrivate });
}, 400_000);
