import { execFile } from "node:child_process";
import { pbkdf2Sync, randomBytes, scryptSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import bcrypt from "bcryptjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAdmin } from "../src/service/create-admin.ts";
import { newAdmin, newMember, newRole } from "./support/admin.ts";
import { loginUser, me, newUser, PASSWORD } from "./support/client.ts";
import { bareEnvironment } from "./support/server-processes.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

let server: TestApp;
let folder: string;
beforeAll(async () => {
  server = await startApp();
  folder = await mkdtemp(join(tmpdir(), "sello-cli-"));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

type Said = { code: number; out: string; err: string };

/** Runs a command beside the server, on its database. */
function cli(
  args: string[],
  options: { input?: string; env?: Record<string, string>; databaseUrl?: string } = {},
): Promise<Said> {
  const env = {
    ...bareEnvironment(),
    DATABASE_URL: options.databaseUrl ?? server.databaseUrl,
    ARGON2_MEMORY_KIB: "64",
    ARGON2_PASSES: "1",
    ...options.env,
  };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...args], { cwd: folder, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: out.trim(), err: err.trim() }),
    );
    child.stdin?.end(options.input ?? "");
  });
}

async function file(lines: (object | string)[]): Promise<string> {
  const path = join(folder, `${randomBytes(4).toString("hex")}.jsonl`);
  await writeFile(path, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return path;
}

describe("create-admin", () => {
  const options = (user: ReturnType<typeof newUser>) => ["--email", user.email, "--username", user.username];

  test("makes one administrator of many that start at once, by calls and by processes", async () => {
    const fresh = await startAppForTest();
    const replica = await startAppForTest({ databaseUrl: fresh.databaseUrl, keysDir: fresh.keysDir });
    const calls = Array.from({ length: 10 }, (_, index) =>
      createAdmin([fresh, replica][index % 2]?.app.deps ?? fresh.app.deps, { ...newUser(), onlyFirst: true }).then(
        () => "made",
        (error: { reason: string }) => error.reason,
      ),
    );
    const processes = Array.from({ length: 3 }, () =>
      cli(["create-admin", ...options(newUser()), "--first"], { input: PASSWORD, databaseUrl: fresh.databaseUrl }).then(
        ({ code, err }) => (code === 0 ? "made" : /There is an administrator already/.test(err) && "conflict"),
      ),
    );
    const outcomes = await Promise.all([...calls, ...processes]);
    expect(outcomes.filter((outcome) => outcome === "made")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "conflict")).toHaveLength(12);
    const { rowCount } = await fresh.db.query("SELECT FROM user_roles WHERE role = 'admin'");
    expect(rowCount).toBe(1);
  });

  test("sees an administrator in who holds the role by another one", async () => {
    const fresh = await startAppForTest();
    await newMember(fresh, [await newRole(fresh, [], ["admin"])]);
    const args = ["create-admin", ...options(newUser()), "--first"];
    const { code, err } = await cli(args, { input: PASSWORD, databaseUrl: fresh.databaseUrl });
    expect([code, err]).toStrictEqual([1, expect.stringContaining("There is an administrator already.")]);
  });

  test("reads the password from a file, and makes somebody who administers", async () => {
    const user = newUser();
    const path = join(folder, "password");
    await writeFile(path, `${PASSWORD}\n`);
    const { code, out } = await cli(["create-admin", ...options(user), "--password-file", path]);
    expect(code).toBe(0);
    const { body } = await loginUser(server.url, user.email);
    expect((await me(server.url, body.access_token)).body.user).toMatchObject({ id: out, is_admin: true });
    expect(await countEvents(server, "role.assigned", out)).toStrictEqual({ audit: 1, outbox: 1 });
    const again = await cli(["create-admin", ...options(newUser()), "--if-none", "--password-file", path]);
    expect(again).toMatchObject({ code: 0, out: "There is an administrator already. Nothing was done." });
  });

  test.each([
    ["a weak password", [], "short", /at least 12 characters/],
    ["no password", [], "", /^password: is required/],
    ["a password among the arguments", ["--password", PASSWORD], "", /Unknown option '--password'/],
    ["both of what excludes the other", ["--first", "--if-none"], PASSWORD, /not both/],
    ["a file that there is not", ["--password-file", "/nope"], "", /\/nope cannot be read/],
  ])("refuses %s in words", async (_name, args, input, words) => {
    const { code, err } = await cli(["create-admin", ...options(newUser()), ...args], { input });
    expect(code).toBe(1);
    expect(err).toMatch(words);
    expect(err).not.toContain("    at ");
  });
});

describe("roles from the command line", () => {
  test("are given and taken, the last administrator's aside", async () => {
    const fresh = await startAppForTest();
    const { databaseUrl } = fresh;
    const member = await newMember(fresh);
    const { username, email } = member.credentials;
    expect((await cli(["grant-role", email, "admin"], { databaseUrl })).code).toBe(0);
    expect((await me(fresh.url, member.access_token)).body.error.code).toBe("token_expired");
    const refused = await cli(["revoke-role", username, "admin"], { databaseUrl });
    expect(refused).toMatchObject({ code: 1, err: "Nobody would be left who administers the service." });
    await newAdmin(fresh);
    expect((await cli(["revoke-role", username.toUpperCase(), "admin"], { databaseUrl })).code).toBe(0);
    expect((await me(fresh.url, member.access_token)).status).toBe(200);
    expect((await cli(["grant-role", "nobody", "admin"], { databaseUrl })).err).toBe("There is no user nobody.");
    expect((await cli(["grant-role", email, "nothing"], { databaseUrl })).err).toBe("There is no such role.");
  });
});

describe("import-users", () => {
  const b64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  const salt = Buffer.from("sixteen bytes ok");
  const HASHES = [
    `$scrypt$ln=4,r=8,p=1$${b64(salt)}$${b64(scryptSync(PASSWORD, salt, 32, { N: 16 }))}`,
    `$pbkdf2-sha256$i=10,l=32$${b64(salt)}$${b64(pbkdf2Sync(PASSWORD, salt, 10, 32, "sha256"))}`,
    bcrypt.hashSync(PASSWORD, 4),
  ];
  const users = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      email: `${prefix}${i}@example.com`,
      username: `${prefix}${i}`,
      password_hash: HASHES[i % HASHES.length],
    }));

  test("takes over a thousand users in seconds, who log in with what they had, and once only", async () => {
    const path = await file(users("thousand", 1_000));
    const start = performance.now();
    expect(await cli(["import-users", path])).toStrictEqual({
      code: 0,
      out: "imported 1000, already there 0, refused 0",
      err: "",
    });
    expect(performance.now() - start).toBeLessThan(20_000);
    for (const i of [0, 1, 2]) {
      const { status, body } = await loginUser(server.url, `thousand${i}`);
      expect(status).toBe(200);
      const { rows } = await server.db.query("SELECT password_hash FROM users WHERE id = $1", [body.user.id]);
      expect(rows[0].password_hash).toMatch(/^\$argon2id\$/);
      expect(await countEvents(server, "user.imported", body.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
      expect((await loginUser(server.url, `thousand${i}`, "a wrong passphrase")).status).toBe(401);
    }
    expect((await cli(["import-users", path])).out).toBe("imported 0, already there 1000, refused 0");
  });

  test("stores what a line says", async () => {
    const [user] = users("whole", 1);
    const id = "0b5e9a52-5f0e-4b52-9d3c-2f6f1f0d4c11";
    const path = await file([
      {
        ...user,
        id,
        roles: ["admin"],
        email_verified: true,
        created_at: "2019-05-04T03:02:01.5+02:00",
        data_public: { display_name: "Whole" },
      },
    ]);
    expect((await cli(["import-users", path])).code).toBe(0);
    const { body } = await loginUser(server.url, "whole0");
    expect(body.user).toMatchObject({
      id,
      is_admin: true,
      roles: ["admin", "user"],
      created_at: "2019-05-04T01:02:01.500Z",
      data_public: { display_name: "Whole" },
    });
    const { rows } = await server.db.query("SELECT email_verified FROM users WHERE id = $1", [id]);
    expect(rows).toStrictEqual([{ email_verified: true }]);
    const trail = await server.db.query(
      "SELECT detail FROM audit_events WHERE type = 'user.imported' AND subject_id = $1",
      [id],
    );
    expect(trail.rows).toStrictEqual([{ detail: { by: "cli", roles: ["user", "admin"] } }]);
  });

  test("tells each line that is refused, by its number, and stores the others", async () => {
    const [a, b, c, d] = users("mixed", 4);
    const path = await file([
      { ...a },
      "{",
      "",
      "[]",
      { ...b, email: "nobody" },
      { ...b, password_hash: "secret in clear" },
      { ...b, password_hash: `$2b$31$${"a".repeat(53)}` },
      { ...b, roles: ["nothing"] },
      { ...b, is_admin: true },
      { ...b, created_at: "2999-01-01T00:00:00Z" },
      { ...b, created_at: "0001-01-01T00:00:00+01:00" },
      { ...b, id: "1" },
      { ...b, data_public: { nothing: 1 } },
      { ...b, username: "mixed0" },
      { ...c, email_verified: "yes" },
      { ...d },
    ]);
    const { code, out, err } = await cli(["import-users", path]);
    expect({ code, out }).toStrictEqual({ code: 1, out: "imported 2, already there 0, refused 13" });
    const told = err.split("\n");
    expect(told.map((line) => line.split(":").slice(0, 2).join(":")).toSorted()).toStrictEqual(
      [
        "line 2: is no JSON object of at most 65536 characters",
        "line 4: is no JSON object of at most 65536 characters",
        "line 5: email",
        "line 6: password_hash",
        "line 7: password_hash",
        "line 8: roles",
        "line 9: is_admin",
        "line 10: created_at",
        "line 11: created_at",
        "line 12: id",
        "line 13: data_public",
        "line 14: the email, the username or the id is another account's",
        "line 15: email_verified",
      ].toSorted(),
    );
    expect(err).not.toContain("secret in clear");
  });

  test("stores nothing in a dry run, and says what it would do", async () => {
    const path = await file([...users("dry", 2), "{"]);
    const { code, out } = await cli(["import-users", path, "--dry-run"]);
    expect({ code, out }).toStrictEqual({ code: 1, out: "would import 2, already there 0, refused 1" });
    expect((await loginUser(server.url, "dry0")).status).toBe(401);
    expect((await server.db.query("SELECT FROM users WHERE username LIKE 'dry%'")).rowCount).toBe(0);
  });

  test("goes on where one that was cut off ended", async () => {
    const all = users("resumed", 450);
    expect((await cli(["import-users", await file(all.slice(0, 250))])).code).toBe(0);
    expect((await cli(["import-users", await file(all)])).out).toBe("imported 200, already there 250, refused 0");
  });
});

describe("seed", () => {
  test("fills a development database, twice without harm", async () => {
    const fresh = await startAppForTest();
    const { databaseUrl } = fresh;
    expect((await cli(["seed"], { databaseUrl })).out).toMatch(/^Made 3 roles and 5 users\./);
    expect((await cli(["seed"], { databaseUrl })).out).toMatch(/^Made 0 roles and 0 users\./);
    const { body } = await loginUser(fresh.url, "grace", "open sesame, twice");
    expect(body.user).toMatchObject({ permissions: ["articles:read", "articles:write"] });
    expect((await loginUser(fresh.url, "ada", "open sesame, twice")).body.user).toMatchObject({ is_admin: true });
  });

  test("does nothing where others reach the server", async () => {
    const { code, err } = await cli(["seed"], { env: { HOST: "0.0.0.0" } });
    expect([code, err]).toStrictEqual([1, expect.stringMatching(/HOST that nobody/)]);
  });
});

test("a name that every object has is no command", async () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    const { code, err } = await cli([name]);
    expect([code, err]).toStrictEqual([1, expect.stringContaining(`${name} is no command.`)]);
  }
});

test("every command has help worth reading", async () => {
  const { out } = await cli(["--help"]);
  for (const name of ["create-admin", "grant-role", "revoke-role", "import-users", "seed"])
    expect(out).toContain(`  ${name}`);
  expect((await cli(["create-admin", "--help"])).out).toMatch(/^Usage: .*create-admin --email/);
});
