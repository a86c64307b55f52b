import { expect, test } from "vitest";
import { brotliBytes, buildScript } from "../build.mjs";

const BUDGET_BYTES = 34_000;

test("auth.js is one classic script within its budget", async () => {
  const contents = await buildScript();
  const code = new TextDecoder().decode(contents);
  expect(brotliBytes(contents)).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(code).not.toMatch(/\b(import|require)\s*\(|localStorage|sessionStorage|indexedDB/);
});
