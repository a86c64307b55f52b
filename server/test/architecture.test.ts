import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCE = fileURLToPath(new URL("../src", import.meta.url));

type SourceFile = { path: string; room: string; text: string; imports: string[] };

const files = readSources();

/** Which rooms may import which. A room is a folder of `server/src`; the files beside them are the composition root. */
const MAY_IMPORT: Record<string, string[]> = {
  domain: [],
  service: ["domain"],
  crypto: ["domain", "service"],
  kms: ["domain", "service"],
  postgres: ["domain", "service"],
  redis: ["domain", "service"],
  memory: ["domain", "service"],
  telemetry: ["domain", "service"],
  jobs: ["domain", "service", "telemetry"],
  rpc: ["domain", "service", "telemetry"],
  http: ["domain", "service", "rpc"],
};

describe("the rooms of the house", () => {
  test("import only from the rooms they may", () => {
    const offences = files.flatMap((file) => {
      const allowed = MAY_IMPORT[file.room];
      if (allowed === undefined) return [];
      return file.imports
        .filter((path) => path.startsWith("."))
        .map((path) => roomOf(relative(SOURCE, join(SOURCE, dirname(file.path), path))))
        .filter((room) => room !== file.room && !allowed.includes(room))
        .map((room) => `${file.path} imports from ${room}`);
    });
    expect(offences).toStrictEqual([]);
  });

  test.each([
    ["argon2", ["crypto"]],
    ["@node-rs/argon2", ["crypto"]],
    ["bcryptjs", ["crypto"]],
    ["jose", ["crypto"]],
    ["node:crypto", ["crypto", "kms"]],
    ["pg", ["postgres"]],
    ["ioredis", ["redis"]],
    ["@sello/gen/", ["rpc", "http", "."]],
    ["@sello/envelope", ["rpc", "crypto"]],
    ["@connectrpc/", ["rpc", "http"]],
  ])("%s is imported only where it belongs", (name, rooms) => {
    const users = files.filter((file) => file.imports.some((path) => path === name || matchesPrefix(path, name)));
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((file) => !rooms.includes(file.room)).map((file) => file.path)).toStrictEqual([]);
  });

  test.each([
    ["process.env", /process\.env/, ["config.ts"]],
    ["the system's time", /Date\.now\(\)|new Date\(\)/, ["clock.ts"]],
    ["SQL", /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s/, ["postgres/"]],
    ["console", /\bconsole\./, ["cli.ts", "cli/"]],
  ])("%s is found only in its place", (_name, pattern, places) => {
    const users = files.filter((file) => pattern.test(withoutComments(file.text))).map((file) => file.path);
    expect(users.length).toBeGreaterThan(0);
    expect(users.filter((path) => !places.some((place) => path.startsWith(place)))).toStrictEqual([]);
  });

  test("hold small files with names in kebab-case", () => {
    expect(files.filter((file) => file.text.split("\n").length > 300).map((file) => file.path)).toStrictEqual([]);
    const names = files.map((file) => file.path.split("/").at(-1) ?? "");
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*\.(ts|js)$/.test(name))).toStrictEqual([]);
  });
});

describe("the whole of the code", () => {
  // What is generated is listed in gen/, and vectors in envelope/vectors/.
  const ROOMS = ["server", "envelope", "web-client", "node-client", "scripts", "bench", "migrations", "proto"];
  const WRITTEN = /\.(ts|tsx|js|mjs|py|sql|proto)$/;
  const MADE = /(^|\/)(node_modules|dist|build|vectors|coverage|results?)\//;

  test("has no file over 500 lines, tests included", () => {
    const written = ROOMS.filter((room) => existsSync(join(ROOT, room)))
      .flatMap((room) => readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
      .filter((path) => WRITTEN.test(path) && !MADE.test(path));
    expect(written).toContain("server/test/architecture.test.ts");
    const long = written.filter((path) => readFileSync(join(ROOT, path), "utf8").trimEnd().split("\n").length > 500);
    expect(long).toStrictEqual([]);
  });
});

function readSources(): SourceFile[] {
  return readdirSync(SOURCE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = relative(SOURCE, join(entry.parentPath, entry.name));
      const text = readFileSync(join(SOURCE, path), "utf8");
      return { path, room: roomOf(path), text, imports: importsOf(text) };
    });
}

function roomOf(path: string): string {
  return path.includes("/") ? (path.split("/")[0] ?? ".") : ".";
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map((match) => match[1] ?? "");
}

function matchesPrefix(path: string, name: string): boolean {
  return name.endsWith("/") && path.startsWith(name);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}
