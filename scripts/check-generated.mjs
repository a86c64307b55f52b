// Fails when what is committed in gen/ and docs/errors.md is not what proto/ generates.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const before = fingerprint();
execFileSync("node", ["scripts/generate.mjs"], { stdio: "inherit" });
if (fingerprint() !== before) {
  console.error(
    "gen/ or docs/errors.md was not what proto/ generates. It is now: look at the difference and commit it.",
  );
  process.exitCode = 1;
}

function fingerprint() {
  const files = readdirSync("gen", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const hash = createHash("sha256");
  for (const file of [...files, "docs/errors.md"]) hash.update(`${file}\0`).update(readFileSync(file));
  return hash.digest("hex");
}
