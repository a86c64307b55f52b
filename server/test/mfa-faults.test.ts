import { describe, expect, test } from "vitest";
import { AuthError } from "../src/domain/errors.ts";
import { cleanUp } from "../src/postgres/clean-up.ts";
import { removeFactors } from "../src/postgres/mfa-codes.ts";
import type { Kms } from "../src/service/ports.ts";
import { loginUser, registerUser } from "./support/client.ts";
import { challengeOf, codeAt, mfa, registerMfaUser, verify } from "./support/mfa.ts";
import { rpc } from "./support/rpc.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

/** From now on the KMS does not answer; what it returns ends that. */
function cutKms(server: TestApp): () => void {
  const kms = server.app.deps.kms as Kms;
  const { wrap, unwrap } = kms;
  const silent = () => Promise.reject(new AuthError("unavailable"));
  Object.assign(kms, { wrap: silent, unwrap: silent });
  return () => void Object.assign(kms, { wrap, unwrap });
}

const codeOf = ({ body }: { body: { error?: { code: string } } }) => body.error?.code;

describe("while the KMS does not answer", () => {
  test("no code of an app opens a session, and none that was tried counts", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const mend = cutKms(server);
    for (let i = 0; i < 8; i++) expect(codeOf(await verify(server.url, challenge, user.code()))).toBe("unavailable");
    expect(codeOf(await verify(server.url, `mfa_${"x".repeat(43)}`, user.code()))).toBe("unavailable");
    const { rows } = await server.db.query("SELECT failures FROM login_lockouts WHERE subject NOT LIKE '%mfa:%'");
    expect(rows.every(({ failures }) => failures === 0)).toBe(true);
    mend();
    expect((await verify(server.url, challenge, user.code())).status).toBe(200);
  });

  test("nothing is enrolled, confirmed or turned off", async () => {
    const server = await startAppForTest();
    const [user, fresh] = [await registerMfaUser(server), await registerUser(server.url)];
    const { body } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token: fresh.access_token });
    const mend = cutKms(server);
    const code = codeAt(body.secret, server.clock.now());
    const answers = [
      await mfa(server.url, "EnrollTotp", { token: fresh.access_token }),
      await mfa(server.url, "ConfirmTotp", { token: fresh.access_token, body: { code } }),
      await mfa(server.url, "DisableTotp", { token: user.access_token, body: { code: user.code() } }),
      await rpc(server.url, "Reauthenticate", {
        token: user.access_token,
        body: { password: user.credentials.password, code: user.code() },
      }),
    ];
    expect(answers.map(({ reason }) => reason)).toStrictEqual(Array(4).fill("unavailable"));
    mend();
    expect((await mfa(server.url, "ConfirmTotp", { token: fresh.access_token, body: { code } })).status).toBe(200);
    const off = await mfa(server.url, "DisableTotp", { token: user.access_token, body: { code: user.code() } });
    expect(off.status).toBe(200);
  });
});

test("a secret that was put under another user opens nothing, and the audit says so", async () => {
  const server = await startAppForTest();
  const [user, thief] = [await registerMfaUser(server), await registerMfaUser(server)];
  await server.db.query(
    "UPDATE mfa_factors SET secret_wrapped = (SELECT secret_wrapped FROM mfa_factors WHERE user_id = $1) WHERE user_id = $2",
    [thief.user.id, user.user.id],
  );
  const challenge = await challengeOf(server, user.credentials.email);
  expect(codeOf(await verify(server.url, challenge, thief.code()))).toBe("mfa_invalid");
  expect(codeOf(await verify(server.url, challenge, user.code()))).toBe("mfa_invalid");
  const { rows } = await server.db.query(
    "SELECT detail FROM audit_events WHERE type = 'mfa.failed' AND subject_id = $1",
    [user.user.id],
  );
  expect(rows).toStrictEqual(Array(2).fill({ detail: { reason: "factor_unreadable" } }));
  expect((await verify(server.url, challenge, user.recoveryCodes[0] ?? "")).status).toBe(200);
});

describe("a login that was overtaken by the second factor", () => {
  test("opens no session with the password alone", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { rows } = await server.db.query("SELECT password_hash FROM users WHERE id = $1", [user.user.id]);
    const now = server.clock.now();
    const opened = await server.app.deps.sessions.open({
      session: {
        id: server.app.deps.ids.uuid(),
        client: { ip: "127.0.0.1", userAgent: "", requestId: "" },
        now,
        expiresAt: new Date(now.getTime() + 1000),
        refreshHash: Buffer.alloc(32),
        refreshExpiresAt: new Date(now.getTime() + 1000),
      },
      userId: user.user.id,
      identifier: { kind: "email", key: user.credentials.email },
      passwordHash: rows[0]?.password_hash,
      upgradedHash: undefined,
    });
    expect(opened).toBeUndefined();
  });
});

test("a password that is hashed anew at a login keeps its challenge", async () => {
  const server = await startAppForTest();
  const user = await registerMfaUser(server);
  const replica = await startAppForTest({
    databaseUrl: server.databaseUrl,
    keysDir: server.keysDir,
    env: { ARGON2_PASSES: "2" },
    overrides: { clock: server.clock },
  });
  const challenge = await challengeOf(replica, user.credentials.email);
  const { rows } = await server.db.query("SELECT password_hash FROM users WHERE id = $1", [user.user.id]);
  expect(rows[0]?.password_hash).toContain("t=2");
  expect((await verify(server.url, challenge, user.code())).status).toBe(200);
});

test("an administrator can take the factors of a user away", async () => {
  const server = await startAppForTest();
  const user = await registerMfaUser(server);
  expect(await removeFactors(server.app.stores.database, user.user.id)).toBe(true);
  expect(await removeFactors(server.app.stores.database, user.user.id)).toBe(false);
  expect((await loginUser(server.url, user.credentials.email)).body).toHaveProperty("access_token");
  expect((await server.db.query("SELECT FROM recovery_codes")).rowCount).toBe(0);
});

test("the clean-up deletes challenges that are over and secrets that nobody confirmed, and no others", async () => {
  const server = await startAppForTest();
  const [user, fresh] = [await registerMfaUser(server), await registerUser(server.url)];
  await mfa(server.url, "EnrollTotp", { token: fresh.access_token });
  await challengeOf(server, user.credentials.email);
  const left = async (seconds: number) => {
    server.clock.advance(seconds);
    await cleanUp(server.app.stores.database, server.clock.now());
    const count = async (table: string) => (await server.db.query(`SELECT FROM ${table}`)).rowCount;
    return { challenges: await count("mfa_challenges"), factors: await count("mfa_factors") };
  };
  expect(await left(300)).toStrictEqual({ challenges: 1, factors: 2 });
  expect(await left(1)).toStrictEqual({ challenges: 0, factors: 2 });
  expect(await left(86_400)).toStrictEqual({ challenges: 0, factors: 1 });
  expect((await loginUser(server.url, user.credentials.email)).body).toHaveProperty("mfa_required");
});
