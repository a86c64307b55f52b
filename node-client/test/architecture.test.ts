import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const SOURCE = new URL("../src/", import.meta.url);
const files = readdirSync(SOURCE).map((name) => ({ name, text: readFileSync(new URL(name, SOURCE), "utf8") }));

test("the client imports generated code, the codec and its packages, and nothing of the server", () => {
  const allowed = /^(\.\/|node:|@bufbuild\/protobuf|@connectrpc\/connect|@sello\/(gen|envelope)|jose$|lru-cache$)/;
  const imports = files.flatMap(({ text }) => [...text.matchAll(/from "([^"]+)"/g)].map((match) => match[1] ?? ""));
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.filter((path) => !allowed.test(path))).toStrictEqual([]);
});

test("the client reads no environment, and its files stay small", () => {
  expect(files.filter(({ text }) => text.includes("process.env")).map(({ name }) => name)).toStrictEqual([]);
  expect(files.filter(({ text }) => text.split("\n").length > 160).map(({ name }) => name)).toStrictEqual([]);
});
