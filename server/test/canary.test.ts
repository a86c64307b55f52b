import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { recoveryKeys } from "../src/crypto/recovery-keys.ts";
import { shakeHands } from "./support/channel.ts";
import { type Answer, call, newUser, refresh, type Tokens } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { hasRedisServer, isRequired, startRedisServer } from "./support/redis-server.ts";
import { changePassword } from "./support/rpc.ts";
import { recipientOf, seal } from "./support/seal.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";
import { dumpDatabase } from "./support/stored.ts";
import { tracesOf } from "./support/traces.ts";

const canary = (of: string) => `canary ${of} ${randomBytes(12).toString("hex")}`;
const PEPPER = canary("pepper of 32 characters");
const ENV = {
  LOG_LEVEL: "trace",
  PASSWORD_PEPPER: PEPPER,
  RATE_LIMIT_LOGIN_ACCOUNT: "1000/60",
  RATE_LIMIT_LOGIN_IP: "1000/60",
};

/** Everything that a server must not write down, gathered as it goes. */
type Secrets = {
  add(...secrets: (string | Buffer)[]): void;
  addTokens(answer: Answer<unknown>): Tokens;
  traces(): string[];
};

function gatherSecrets(): Secrets {
  const gathered: (string | Buffer)[] = [];
  return {
    add: (...secrets) => void gathered.push(...secrets),
    addTokens({ body }) {
      const tokens = body as Tokens;
      const [, ...parts] = tokens.access_token.split(".");
      const secret = tokens.refresh_token.replace("rt_", "");
      gathered.push(tokens.access_token, ...parts.filter((part) => part.length >= 16));
      gathered.push(tokens.refresh_token, secret, Buffer.from(secret, "base64url"));
      return tokens;
    },
    traces: () => gathered.flatMap(tracesOf),
  };
}

/** Does whatever a client can do with secrets, in the right way and in wrong ones. */
async function live(server: TestApp, secrets: Secrets): Promise<void> {
  const [password, next, wrong, last] = ["password", "next password", "wrong password", "last password"].map(canary);
  const passwords = { password: password ?? "", next: next ?? "", wrong: wrong ?? "", last: last ?? "" };
  secrets.add(...Object.values(passwords));
  const user = { ...newUser(), password: passwords.password };
  const post = (path: string, body: unknown, headers = {}) => call(`${server.url}${path}`, { body, headers });

  const first = secrets.addTokens(await post("/auth/register", user));
  const { email } = user;
  secrets.addTokens(await post("/auth/login", { identifier: email, password: user.password }));
  await post("/auth/login", { identifier: email, password: passwords.wrong });
  await post("/auth/login", { identifier: passwords.password, password: passwords.password });
  await post("/auth/login", { identifier: email, password: { in: passwords.password } });
  await post("/auth/login", `{"identifier":"${email}","password":"${passwords.password}`);
  await post("/auth/login", { identifier: email, [passwords.password]: passwords.password });
  await post(`/auth/login?password=${encodeURIComponent(passwords.password)}`, { identifier: email });
  await post("/auth/register", { ...user, password: passwords.next });

  const bearer = { authorization: `Bearer ${first.access_token}` };
  await call(`${server.url}/auth/me`, { headers: bearer });
  await call(`${server.url}/auth/me?access_token=${first.access_token}`);
  await call(`${server.url}/auth/${first.refresh_token}`);
  const change = { currentPassword: passwords.wrong, newPassword: passwords.next };
  await changePassword(server.url, first.access_token, change);
  await changePassword(server.url, first.access_token, { ...change, currentPassword: passwords.password });

  await liveWithData(server, secrets, { token: first.access_token, password: passwords.next, wrong: passwords.wrong });

  const second = secrets.addTokens(await refresh(server.url, first.refresh_token));
  const third = secrets.addTokens(await refresh(server.url, second.refresh_token));
  await refresh(server.url, first.refresh_token);
  await refresh(server.url, `${third.refresh_token}x`);
  await post("/auth/logout", { refresh_token: third.refresh_token }, bearer);

  await liveSealed(server, secrets, { email, password: passwords.next });
  await failInside(server, () => post("/auth/register", { ...newUser(), password: passwords.last }));
}

/** Stores and reads a canary in every field that is not for everybody, in right ways and in wrong ones. */
async function liveWithData(
  server: TestApp,
  secrets: Secrets,
  { token, password, wrong }: { token: string; password: string; wrong: string },
): Promise<void> {
  const call = (method: string, body: object) => profile(server.url, method, { token, ...body });
  const [phone = "", line = "", ...accounts] = ["phone", "address", "account", "another", "lost", "document"].map(
    canary,
  );
  const [bankAccount, another, lost, documentNumber = ""] = accounts;
  secrets.add(phone, line, ...accounts);
  const dataProtected = { phone, address: { lines: [line] } };
  expect((await call("UpdateProfile", { dataProtected })).status).toBe(200);
  expect((await call("GetProfile", {})).dataProtected).toMatchObject(dataProtected);
  await call("UpdateProfile", { dataProtected, updateMask: phone });
  await call("UpdateProfile", { dataProtected: { phone: phone.repeat(1000) } });
  await call("UpdateProfile", { dataProtected: { [phone]: phone, phone: [phone] } });

  const update = { password, dataPrivate: { bankAccount, documentNumber } };
  const { recoveryKey = "" } = await call("UpdatePrivateData", update);
  await call("UpdatePrivateData", { ...update, password: wrong, dataPrivate: { bankAccount: lost } });
  await call("UpdatePrivateData", {
    password,
    dataPrivate: { bankAccount: another },
    updateMask: "dataPrivate.bankAccount",
  });
  const renewed = (await call("UpdatePrivateData", { password, newRecoveryKey: true })).recoveryKey ?? "";
  const opened = await call("UnlockPrivateData", { password, recoveryKey: renewed });
  expect(opened.dataPrivate).toStrictEqual({ bankAccount: another, documentNumber });
  await call("UnlockPrivateData", { password, recoveryKey });
  await call("UnlockPrivateData", { password: documentNumber, recoveryKey: documentNumber });
  const secretsOf = (key: string) => [key, key.replaceAll("-", ""), recoveryKeys.parse(key) ?? expect.unreachable()];
  secrets.add(...secretsOf(recoveryKey), ...secretsOf(renewed));

  await server.db.query("UPDATE user_data SET key_version = 99");
  expect((await call("GetProfile", {})).reason).toBe("internal");
  expect((await call("UnlockPrivateData", { password })).reason).toBe("internal");
}

/** The same in envelopes of both forms. */
async function liveSealed(
  server: TestApp,
  secrets: Secrets,
  { email, password }: { email: string; password: string },
): Promise<void> {
  const recipient = await recipientOf(server.url, "RSA-OAEP-256");
  const sealed = async (path: string, body: object): Promise<Answer<Tokens>> => {
    const { envelope, openAnswer } = await seal(server, body, { recipient, binding: path });
    const answer = await call<{ __front_enc__: never }>(`${server.url}${path}`, { body: { __front_enc__: envelope } });
    expect(answer.status).toBe(200);
    return { ...answer, body: JSON.parse(Buffer.from(await openAnswer(answer.body.__front_enc__)).toString()) };
  };
  const first = secrets.addTokens(await sealed("/auth/login", { identifier: email, password }));
  const second = secrets.addTokens(await sealed("/auth/token/refresh", { refresh_token: first.refresh_token }));
  await sealed("/auth/logout", { refresh_token: second.refresh_token });

  const { channel } = await shakeHands(server);
  const body = JSON.stringify({ identifier: email, password });
  const { envelope, openAnswer } = await channel.seal(body, "/auth/login");
  const answer = await call<{ __session_enc__: never }>(`${server.url}/auth/login`, {
    body: { __session_enc__: envelope },
  });
  const opened = JSON.parse(Buffer.from(await openAnswer(answer.body.__session_enc__)).toString());
  secrets.addTokens({ ...answer, body: opened });
}

/** An error of the database is logged with its cause, and PostgreSQL's names the row. */
async function failInside(server: TestApp, fail: () => Promise<{ status: number }>): Promise<void> {
  await server.db.query("ALTER TABLE users ADD CONSTRAINT no_more CHECK (false) NOT VALID");
  expect((await fail()).status).toBe(500);
  await server.db.query("ALTER TABLE users DROP CONSTRAINT no_more");
}

/** The private members of the key files, and the KMS' master keys. */
function privateKeys(folder: string): string[] {
  const texts = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
  return texts.flatMap((text) =>
    [...text.matchAll(/"(?:d|p|q|dp|dq|qi|key)":\s*"([^"]{16,})"/g)].map(([, value]) => value ?? ""),
  );
}

/** All keys and values, whatever their type. */
async function dumpRedis(url: string): Promise<string> {
  const redis = new Redis(url);
  await redis.config("SET", "rdbcompression", "no");
  const names = await redis.keys("*");
  const values = await Promise.all(names.map((name) => redis.dumpBuffer(name)));
  redis.disconnect();
  return names.map((name, index) => `${name} ${values[index]?.toString("latin1")}`).join("\n");
}

async function expectNoTrace(server: TestApp, secrets: Secrets, redis: { url: string } | undefined): Promise<void> {
  const metrics = await fetch(`http://127.0.0.1:${server.app.metricsPort}/metrics`);
  const places = {
    log: { text: JSON.stringify(server.logs), holds: /Register.*no_more/ },
    metrics: { text: await metrics.text(), holds: /rpc_duration_seconds.*Register/ },
    database: {
      text: await dumpDatabase(server.db),
      holds: /^(?=[\s\S]*session\.refresh_reused)[\s\S]*user_keys .*private\.recovery/,
    },
    ...(redis && { redis: { text: await dumpRedis(redis.url), holds: /^(?=[\s\S]*login_account)[\s\S]*kms1\./ } }),
  };
  const traces = secrets.traces();
  expect(traces.length).toBeGreaterThan(200);
  for (const [name, { text, holds }] of Object.entries(places)) {
    expect(text, name).toMatch(holds);
    const found = traces.filter((trace) => text.includes(trace));
    expect(found, `what of the secrets is in the ${name}`).toStrictEqual([]);
  }
}

async function run(env: Record<string, string>, redis?: { url: string }): Promise<void> {
  const server = await startAppForTest({ env: { ...ENV, ...env } });
  const secrets = gatherSecrets();
  secrets.add(PEPPER, ...privateKeys(server.keysDir));
  await live(server, secrets);
  await expectNoTrace(server, secrets, redis);
}

describe("a canary in a password, a token, the pepper or a private key", () => {
  test("is nowhere in logs, metrics and the database", () => run({}));

  test.skipIf(!hasRedisServer && !isRequired("redis"))("is nowhere in Redis either", async () => {
    const redis = await startRedisServer();
    onTestFinished(() => redis[Symbol.asyncDispose]());
    await run({ REDIS_URL: redis.url }, redis);
  });
});

describe("the search for a canary", () => {
  test.each(["utf8", "base64", "base64url", "hex"] as const)("finds it in %s, wherever it stands", (encoding) => {
    const secret = canary("secret");
    for (const before of ["", "a", "ab", "abc"]) {
      const text = Buffer.from(`${before}${secret} and more`).toString(encoding);
      expect(tracesOf(secret).some((trace) => text.includes(trace))).toBe(true);
    }
  });
});
