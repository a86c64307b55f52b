import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import bcrypt from "bcryptjs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { callAdmin, type Member, newAdmin, newHolder, newMember, newRole } from "./support/admin.ts";
import { call, type ErrorBody, loginUser, me, newUser, PASSWORD, refresh } from "./support/client.ts";
import { WAYS } from "./support/each-protocol.ts";
import { rpc } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";
import { openWire, type Wire } from "./support/wire.ts";

const { listUsers, getUser, createUser, updateUser, deleteUser, unlockUser, revokeUserSessions, listAuditEvents } =
  UserService.method;

let server: TestApp;
let wire: Wire;
let admin: Member;
let token: string;
beforeAll(async () => {
  server = await startApp();
  wire = openWire(server.url);
  admin = await newAdmin(server);
  token = admin.access_token;
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const read = (userId: string) => callAdmin(wire, "rest", { method: getUser, message: { userId }, token });
const update = (message: Parameters<typeof callAdmin<typeof updateUser>>[2]["message"], as = token) =>
  callAdmin(wire, "rest", { method: updateUser, message, token: as });

describe.each(WAYS)("over %s", (way) => {
  test("a user is created, read, changed, unlocked and deleted", async () => {
    const { password, ...names } = newUser();
    const dataPublic = { displayName: "Ada" };
    const created = await callAdmin(wire, way, {
      method: createUser,
      message: { ...names, password, dataPublic },
      token,
    });
    expect(created.data?.user).toMatchObject({
      ...names,
      roles: ["user"],
      assignedRoles: ["user"],
      permissions: [],
      isAdmin: false,
      mfaEnabled: false,
      emailVerified: false,
      dataPublic,
      version: 1,
    });
    const userId = created.data?.user?.id ?? "";
    expect((await loginUser(server.url, names.username)).status).toBe(200);
    const found = await callAdmin(wire, way, { method: getUser, message: { userId }, token });
    expect(found.data?.user).toStrictEqual(created.data?.user);
    const email = newUser().email;
    const changed = await callAdmin(wire, way, {
      method: updateUser,
      message: { userId, email, expectedVersion: 1 },
      token,
    });
    expect(changed.data?.user).toMatchObject({ email, username: names.username, version: 2 });
    expect((await callAdmin(wire, way, { method: unlockUser, message: { userId }, token })).ok).toBe(true);
    expect(
      (await callAdmin(wire, way, { method: deleteUser, message: { userId, expectedVersion: 2 }, token })).ok,
    ).toBe(true);
    const gone = await callAdmin(wire, way, { method: getUser, message: { userId }, token });
    expect(gone.reason).toBe("not_found");
    expect((await loginUser(server.url, email)).status).toBe(401);
  });

  test("users come in pages, in the order of their creation, each once", async () => {
    const prefix = `page.${way}.`;
    const names = ["c", "a", "b", "e", "d"].map((letter) => `${prefix}${letter}`);
    for (const username of names) {
      const message = { email: `${username}@example.com`, username, password: PASSWORD };
      expect((await callAdmin(wire, way, { method: createUser, message, token })).ok).toBe(true);
    }
    // Two of one moment: the id decides, and nobody is lost between two pages.
    await server.db.query("UPDATE users SET created_at = '2020-01-01 00:00:00.123456Z' WHERE username = ANY($1)", [
      names.slice(1, 4),
    ]);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const message = { query: prefix.toUpperCase(), pageSize: 2, pageToken };
      const { data } = await callAdmin(wire, way, { method: listUsers, message, token });
      seen.push(...(data?.users ?? []).map(({ username }) => username));
      pageToken = data?.nextPageToken ?? "";
    } while (pageToken !== "");
    const { rows } = await server.db.query(
      "SELECT username FROM users WHERE username = ANY($1) ORDER BY created_at, id",
      [names],
    );
    expect(seen).toStrictEqual(rows.map(({ username }) => username));
    expect(seen).toHaveLength(5);
  });
});

describe("an old session of an administrator", () => {
  test("changes no email, no password and no second factor, be it the administrator's own", async () => {
    const own = await startAppForTest();
    const [admin, member] = [await newAdmin(own), await newMember(own)];
    own.clock.advance(601);
    const patch = (id: string, body: object) => {
      const headers = { authorization: `Bearer ${admin.access_token}` };
      return call<ErrorBody>(`${own.url}/admin/users/${id}`, { method: "PATCH", headers, body });
    };
    const takeovers = [{ email: "somebody.else@example.com" }, { password: "known to a thief" }, { reset_mfa: true }];
    const attempts = [admin.id, member.id].flatMap((id) => takeovers.map((body) => patch(id, body)));
    const codes = (await Promise.all(attempts)).map(({ body }) => body.error?.code);
    expect(codes).toStrictEqual(attempts.map(() => "reauthentication_required"));
    expect((await patch(member.id, { data_public: { display_name: "Ada" } })).status).toBe(200);
    await rpc(own.url, "Reauthenticate", { token: admin.access_token, body: { password: PASSWORD } });
    expect((await patch(member.id, { password: "known to its user" })).status).toBe(200);
  });
});

describe("a list of users", () => {
  test("holds those that every filter lets through", async () => {
    const role = await newRole(server);
    const heir = await newRole(server, [], [role]);
    const direct = await newMember(server, [role]);
    server.clock.advance(1);
    const inherited = await newMember(server, [heir]);
    const ids = async (message: object) => {
      const { data } = await callAdmin(wire, "rest", { method: listUsers, message: { role, ...message }, token });
      return data?.users.map(({ id }) => id);
    };
    expect(await ids({})).toStrictEqual([direct.id, inherited.id]);
    expect(await ids({ query: direct.credentials.email.slice(0, 8) })).toStrictEqual([direct.id]);
    await update({ userId: inherited.id, disabled: true });
    expect(await ids({ disabled: true })).toStrictEqual([inherited.id]);
    expect(await ids({ disabled: false })).toStrictEqual([direct.id]);
    await server.db.query("UPDATE users SET mfa_enabled = true WHERE id = $1", [direct.id]);
    expect(await ids({ mfa: true })).toStrictEqual([direct.id]);
    expect(await ids({ mfa: false })).toStrictEqual([inherited.id]);
    for (let i = 0; i < 5; i++) await loginUser(server.url, direct.credentials.email, "a wrong passphrase");
    expect(await ids({ locked: true })).toStrictEqual([direct.id]);
    expect(await ids({ locked: false, disabled: true, mfa: false })).toStrictEqual([inherited.id]);
    expect((await read(direct.id)).data?.user?.lockedUntil).toBeDefined();
    await callAdmin(wire, "rest", { method: unlockUser, message: { userId: direct.id }, token });
    expect(await ids({ locked: true })).toStrictEqual([]);
    expect((await loginUser(server.url, direct.credentials.email)).status).toBe(200);
  });

  test("takes a prefix as it is, not as a pattern", async () => {
    for (const query of ["%", "_", "\\", "u%"]) {
      const { data } = await callAdmin(wire, "rest", { method: listUsers, message: { query }, token });
      expect({ query, users: data?.users }).toStrictEqual({ query, users: [] });
    }
  });

  test.each([
    ["a page that is too large", { pageSize: 101 }],
    ["a negative page", { pageSize: -1 }],
    ["a page token of nobody", { pageToken: "bm90aGluZw" }],
    ["a page token in another spelling", { pageToken: `${Buffer.from("1.5").toString("base64")}=` }],
    ["a role that cannot be", { role: "No Role" }],
  ])("refuses %s", async (_name, message) => {
    const { reason: code } = await callAdmin(wire, "rest", { method: listUsers, message, token });
    expect(code).toBe("validation_failed");
  });
});

describe("an account that is created", () => {
  test("with a hash of another system opens with the password, and has a hash of ours from then on", async () => {
    const { email, username } = newUser();
    const passwordHash = bcrypt.hashSync(PASSWORD, 4);
    const message = { email, username, passwordHash };
    const { data } = await callAdmin(wire, "rest", { method: createUser, message, token });
    expect((await loginUser(server.url, email)).status).toBe(200);
    const { rows } = await server.db.query("SELECT password_hash FROM users WHERE id = $1", [data?.user?.id]);
    expect(rows[0].password_hash).toMatch(/^\$argon2id\$/);
  });

  test.each([
    ["an email that is none", { email: "nobody" }, "validation_failed", /^email: /],
    ["neither a password nor a hash", { password: "" }, "validation_failed", /^password: is required/],
    ["both", { passwordHash: `$2b$04$${"a".repeat(53)}` }, "validation_failed", /^password_hash: must be absent/],
    ["a hash that is cut off", { password: "", passwordHash: `$2b$04$${"a".repeat(52)}` }, "validation_failed", /PHC/],
    [
      "a hash that would cost hours",
      { password: "", passwordHash: `$2b$31$${"a".repeat(53)}` },
      "validation_failed",
      /cost/,
    ],
    ["a weak password", { password: "short" }, "weak_password", /12/],
  ] as const)("with %s is refused", async (_name, wrong, code, words) => {
    const message = { ...newUser(), ...wrong };
    const answer = await callAdmin(wire, "rest", { method: createUser, message, token });
    expect(answer.reason).toBe(code);
    expect(answer.message).toMatch(words);
  });

  test("under a name that is taken is refused, in whatever case", async () => {
    const { credentials } = await newMember(server);
    const taken = { ...newUser(), username: credentials.username.toUpperCase() };
    expect((await callAdmin(wire, "rest", { method: createUser, message: taken, token })).reason).toBe(
      "already_exists",
    );
  });
});

describe("a change of a user", () => {
  test("of a version that is not the present one changes nothing, also of two at once", async () => {
    const { id: userId } = await newMember(server);
    const racing = Array.from({ length: 6 }, (_, i) =>
      update({ userId, username: `racer${i}x${userId.slice(0, 8)}`, expectedVersion: 1 }),
    );
    const codes = (await Promise.all(racing)).map(({ ok, reason }) => (ok ? "ok" : reason));
    expect(codes.filter((code) => code === "ok")).toHaveLength(1);
    expect(codes.filter((code) => code === "conflict")).toHaveLength(5);
    expect((await read(userId)).data?.user?.version).toBe(2);
  });

  test("leaves alone what it does not name", async () => {
    const { password, ...names } = newUser();
    const message = { ...names, password, dataPublic: { displayName: "Ada" } };
    const { data } = await callAdmin(wire, "rest", { method: createUser, message, token });
    const userId = data?.user?.id ?? "";
    const { data: after } = await update({ userId });
    expect(after?.user).toStrictEqual(data?.user);
    const { data: emptied } = await update({ userId, dataPublic: {} });
    expect(emptied?.user?.dataPublic?.displayName).toBe("");
    expect(emptied?.user?.email).toBe(names.email);
  });

  test("never stores roles, is_admin, id or created_at", async () => {
    const { id, access_token: own } = await newMember(server);
    const before = (await read(id)).data?.user;
    const body = {
      roles: ["admin"],
      assigned_roles: ["admin"],
      permissions: ["*:*"],
      is_admin: true,
      id: admin.id,
      created_at: "2000-01-01T00:00:00Z",
      version: 9,
      email_verified: true,
    };
    const headers = { authorization: `Bearer ${token}` };
    expect((await call(`${server.url}/admin/users/${id}`, { method: "PATCH", body, headers })).status).toBe(200);
    expect((await read(id)).data?.user).toStrictEqual(before);
    expect((await me(server.url, own)).status).toBe(200);
    const created = await call<{ user: { id: string } }>(`${server.url}/admin/users`, {
      body: { ...newUser(), ...body },
      headers,
    });
    expect(created.status).toBe(201);
    expect((await read(created.body.user.id)).data?.user).toMatchObject({
      roles: ["user"],
      isAdmin: false,
      version: 1,
    });
    const registered = await call<{ user: object }>(`${server.url}/auth/register`, { body: { ...newUser(), ...body } });
    expect(registered.body.user).toMatchObject({ roles: ["user"], is_admin: false });
  });

  test("of the password ends every session, forgets failed logins, and keeps to the policy", async () => {
    const victim = await newMember(server);
    for (let i = 0; i < 5; i++) await loginUser(server.url, victim.credentials.email, "a wrong passphrase");
    const password = "quite another passphrase";
    expect((await update({ userId: victim.id, password: `${victim.credentials.username} 123456` })).reason).toBe(
      "weak_password",
    );
    expect((await update({ userId: victim.id, password: "" })).reason).toBe("validation_failed");
    expect((await update({ userId: victim.id, password })).ok).toBe(true);
    expect((await me(server.url, victim.access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(server.url, victim.refresh_token)).body.error.code).toBe("refresh_invalid");
    expect((await loginUser(server.url, victim.credentials.email)).status).toBe(401);
    expect((await loginUser(server.url, victim.credentials.email, password)).status).toBe(200);
  });

  test("of an email takes back that it was verified", async () => {
    const { id: userId } = await newMember(server);
    await server.db.query("UPDATE users SET email_verified = true WHERE id = $1", [userId]);
    expect((await update({ userId, disabled: false })).data?.user?.emailVerified).toBe(true);
    expect((await update({ userId, email: newUser().email })).data?.user?.emailVerified).toBe(false);
  });

  test("of the username ends the access token, and the refresh brings one with the new name", async () => {
    const member = await newMember(server);
    const username = newUser().username;
    await update({ userId: member.id, username });
    expect((await me(server.url, member.access_token)).body.error.code).toBe("token_expired");
    const { body } = await refresh(server.url, member.refresh_token);
    expect((await me(server.url, body.access_token)).body.user).toMatchObject({ username });
  });

  test("resets the second factor", async () => {
    const { id: userId } = await newMember(server);
    await server.db.query("UPDATE users SET mfa_enabled = true WHERE id = $1", [userId]);
    expect((await update({ userId, resetMfa: true })).data?.user?.mfaEnabled).toBe(false);
  });
});

test("what opens an account asks who changes it for a recent proof; the rest does not", async () => {
  const late = await startAppForTest();
  const there = openWire(late.url);
  onTestFinished(() => there[Symbol.asyncDispose]());
  const { id, access_token } = await newAdmin(late);
  const other = await newMember(late);
  late.clock.advance(601);
  for (const userId of [id, other.id]) {
    const changes = [{ email: newUser().email }, { password: "a passphrase of another" }, { resetMfa: true }];
    for (const sent of changes) {
      const message = { userId, ...sent };
      const answer = await callAdmin(there, "rest", { method: updateUser, message, token: access_token });
      expect(answer.reason).toBe("reauthentication_required");
    }
    const message = { userId, dataPublic: { displayName: "Grace" } };
    expect((await callAdmin(there, "rest", { method: updateUser, message, token: access_token })).ok).toBe(true);
  }
});

describe("a user who is disabled", () => {
  test("has no session on any replica, cannot log in, and begins anew when enabled", async () => {
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const member = await newMember(server);
    expect((await me(replica.url, member.access_token)).status).toBe(200);
    await update({ userId: member.id, disabled: true });
    for (const { url } of [server, replica]) {
      expect((await me(url, member.access_token)).body.error.code).toBe("token_revoked");
      expect((await refresh(url, member.refresh_token)).body.error.code).toBe("refresh_invalid");
      expect((await loginUser(url, member.credentials.email)).body.error.code).toBe("invalid_credentials");
    }
    await update({ userId: member.id, disabled: false });
    expect((await me(server.url, member.access_token)).body.error.code).toBe("token_revoked");
    expect((await loginUser(server.url, member.credentials.email)).status).toBe(200);
  });

  test("keeps the time of it when disabled again", async () => {
    const { id: userId } = await newMember(server);
    const first = (await update({ userId, disabled: true })).data?.user;
    const second = (await update({ userId, disabled: true })).data?.user;
    expect(second).toStrictEqual(first);
  });
});

describe("the end", () => {
  test("of a user's sessions is told in numbers", async () => {
    const member = await newMember(server);
    const { data } = await callAdmin(wire, "connect-json", {
      method: revokeUserSessions,
      message: { userId: member.id },
      token,
    });
    expect(data?.revokedSessions).toBe(2);
    expect((await me(server.url, member.access_token)).body.error.code).toBe("token_revoked");
  });

  test("of a user takes everything but the trail", async () => {
    const member = await newMember(server);
    await rpc(server.url, "ListSessions", { token: member.access_token });
    await callAdmin(wire, "rest", { method: deleteUser, message: { userId: member.id }, token });
    expect((await me(server.url, member.access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(server.url, member.refresh_token)).body.error.code).toBe("refresh_invalid");
    for (const table of ["sessions", "user_roles"]) {
      expect((await server.db.query(`SELECT FROM ${table} WHERE user_id = $1`, [member.id])).rowCount).toBe(0);
    }
    const message = { subjectId: member.id };
    const { data } = await callAdmin(wire, "connect-json", { method: listAuditEvents, message, token });
    expect(data?.events.map(({ type }) => type)).toStrictEqual(["user.deleted", "login.succeeded", "user.registered"]);
    expect(data?.events[0]).toMatchObject({ actorId: admin.id, result: "success", ip: "127.0.0.1" });
  });
});

describe("the trail", () => {
  test("names who did what to whom, and never what was written", async () => {
    const member = await newMember(server);
    const email = newUser().email;
    await update({ userId: member.id, email, password: "a canary passphrase", disabled: true });
    await update({ userId: member.id, disabled: false });
    const message = { subjectId: member.id, actorId: admin.id };
    const { data } = await callAdmin(wire, "connect-json", { method: listAuditEvents, message, token });
    expect(data?.events.map(({ type, detail }) => ({ type, detail }))).toStrictEqual([
      { type: "user.enabled", detail: {} },
      { type: "user.disabled", detail: { revoked_sessions: 2 } },
      { type: "user.updated", detail: { fields: ["email", "password"], revoked_sessions: 2 } },
    ]);
    expect(await countEvents(server, "user.disabled", member.id)).toStrictEqual({ audit: 1, outbox: 1 });
    const { rows } = await server.db.query("SELECT detail::text FROM audit_events");
    expect(JSON.stringify(rows)).not.toMatch(new RegExp(`canary|${email}`));
  });

  test("has nothing of an act that was refused", async () => {
    const holder = await newHolder(server, ["users:write"]);
    const answer = await update({ userId: admin.id, email: newUser().email }, holder.access_token);
    expect(answer.reason).toBe("forbidden");
    expect(await countEvents(server, "user.updated", admin.id)).toStrictEqual({ audit: 0, outbox: 0 });
  });

  test("comes in pages, and by type", async () => {
    const member = await newMember(server);
    for (let i = 0; i < 3; i++) await update({ userId: member.id, disabled: i % 2 === 0 });
    const page = async (pageToken: string) =>
      (
        await callAdmin(wire, "connect-json", {
          method: listAuditEvents,
          message: { subjectId: member.id, type: "user.disabled", pageSize: 1, pageToken },
          token,
        })
      ).data;
    const first = await page("");
    const second = await page(first?.nextPageToken ?? "");
    const ids = [first, second].flatMap((answer) => answer?.events.map(({ id }) => BigInt(id)) ?? []);
    expect(ids).toHaveLength(2);
    expect(ids.toSorted((a, b) => Number(b - a))).toStrictEqual(ids);
    expect(second?.nextPageToken).toBe("");
  });
});
