import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import { PASSWORD, registerUser } from "./support/client.ts";
import { ROOT } from "./support/guide-runner.ts";
import { profile } from "./support/profile.ts";
import { bareEnvironment, createServerProcesses } from "./support/server-processes.ts";
import { createTestDatabase, dropTestDatabase } from "./support/start-app.ts";

const PARTS = ["docs", "envelope", "gen", "migrations", "node-client", "proto", "scripts", "server", "web-client"];
const MADE = /\/(node_modules|dist)(\/|$)|tsbuildinfo$/;

/** What somebody has who has just cloned and installed: nothing that was built. */
async function freshCheckout(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sello-adopter-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const top = (await readdir(ROOT, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
  for (const name of [...PARTS, ...top]) {
    await cp(join(ROOT, name), join(folder, name), {
      recursive: true,
      filter: (path) => !MADE.test(path.slice(ROOT.length)),
    });
  }
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, "@sello"), { recursive: true });
  for (const name of await readdir(join(ROOT, "node_modules"))) {
    if (["@sello", ".cache"].includes(name)) continue;
    await symlink(join(ROOT, "node_modules", name), join(modules, name));
  }
  for (const name of ["envelope", "gen", "node-client", "server", "web-client"]) {
    await symlink(join(folder, name), join(modules, "@sello", name));
  }
  return folder;
}

/** Fields of other types than those of the example, and three of its fields gone. */
const EDITS: [from: RegExp, to: string][] = [
  [
    /message PublicData \{[\s\S]*?\n\}/,
    `message PublicData {
      reserved 1, 2;
      // What the user likes.
      repeated string hobbies = 3;
      // How many points the user has.
      int64 points = 4;
    }`,
  ],
  [
    /message ProtectedData \{[\s\S]*?\n\}/,
    `message ProtectedData {
      reserved 1;
      // Where the user lives.
      Address address = 2;
      // By the shop's own name of each.
      map<string, double> limits = 3;
      // When the user was seen in person.
      google.protobuf.Timestamp seen_at = 4;
    }`,
  ],
  [
    /message PrivateData \{[\s\S]*?\n\}/,
    `message PrivateData {
      // The number of a bank account.
      string bank_account = 1;
      reserved 2;
      // How the user is taxed.
      Tax tax = 3;
      // A scan of a document.
      bytes scan = 4;
    }

    // How somebody is taxed.
    enum Tax {
      // Not known.
      TAX_UNSPECIFIED = 0;
      // By the standard rate.
      TAX_STANDARD = 1;
    }`,
  ],
  [/package userdata\.v1;/, 'package userdata.v1;\n\nimport "google/protobuf/timestamp.proto";'],
];

test("who edits userdata.proto runs `npm run generate`, starts, and has the new fields in each class", async () => {
  const folder = await freshCheckout();
  const file = join(folder, "proto/userdata/v1/userdata.proto");
  const before = await readFile(file, "utf8");
  const after = EDITS.reduce((text, [from, to]) => text.replace(from, to), before);
  expect(after).not.toMatch(/display_name|phone|document_number/);
  await writeFile(file, after);
  const npm = (script: string) =>
    promisify(execFile)("npm", ["run", "-s", script], { cwd: folder, env: bareEnvironment({ HOME: folder }) });
  await npm("generate");
  await npm("build");

  const databaseUrl = await createTestDatabase();
  onTestFinished(() => dropTestDatabase(databaseUrl));
  await using servers = await createServerProcesses(join(folder, "server/dist/main.js"));
  const { url } = await servers.start({ DATABASE_URL: databaseUrl, KEYS_DIR: inject("keysDir") });
  const { access_token: token } = await registerUser(url);
  const password = PASSWORD;
  const dataPublic = { hobbies: ["chess", "go"], points: "9007199254740993" };
  const dataProtected = {
    address: { town: "London" },
    limits: { daily: 12.5, monthly: 100 },
    seenAt: "2026-02-03T04:05:06Z",
  };
  const dataPrivate = { bankAccount: "GB33BUKB20201555555555", tax: "TAX_STANDARD", scan: "AAEC/w==" };
  const written = await profile(url, "UpdateProfile", { token, dataPublic, dataProtected });
  expect(written).toMatchObject({ status: 200, dataPublic, dataProtected });
  const put = { hobbies: ["chess"] };
  await profile(url, "UpdateProfile", { token, dataPublic: put, updateMask: "dataPublic.hobbies" });
  await profile(url, "UpdatePrivateData", { token, password, dataPrivate });
  await profile(url, "UpdateProfile", {
    token,
    dataProtected: { limits: { weekly: 1 } },
    updateMask: "dataProtected.limits",
  });

  const read = await profile(url, "GetProfile", { token });
  expect(read.dataPublic).toStrictEqual({ ...dataPublic, ...put });
  expect(read.dataProtected).toStrictEqual({ ...dataProtected, limits: { weekly: 1 } });
  expect((await profile(url, "UnlockPrivateData", { token, password })).dataPrivate).toStrictEqual(dataPrivate);
  const gone = await profile(url, "UpdateProfile", { token, dataPublic: {}, updateMask: "dataPublic.displayName" });
  expect(gone.reason).toBe("validation_failed");
}, 240_000);
