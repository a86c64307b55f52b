import { expect, test } from "vitest";
import { brotliBytes, buildScript, buildUserData } from "../build.mjs";

const BUDGET_BYTES = 34_000;
const USER_DATA_BUDGET_BYTES = 13_000;

test("auth.js is one classic script within its budget", async () => {
  const contents = await buildScript();
  const code = new TextDecoder().decode(contents);
  expect(brotliBytes(contents)).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(code).not.toMatch(/\b(import|require)\s*\(|localStorage|sessionStorage|indexedDB/);
});

test("user-data.min.js is one ES module within its budget", async () => {
  const contents = await buildUserData();
  const code = new TextDecoder().decode(contents);
  expect(brotliBytes(contents)).toBeLessThanOrEqual(USER_DATA_BUDGET_BYTES);
  expect(code).toMatch(/export\s*\{[^}]*createVault/);
  expect(code).not.toMatch(/\b(import|require)\s*\(|localStorage|sessionStorage|indexedDB/);
});
