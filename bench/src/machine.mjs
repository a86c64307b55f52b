import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, totalmem } from "node:os";
import { root } from "./paths.mjs";

const require = createRequire(import.meta.url);

/** What the figures depend on, line by line. @param {{ postgresVersion: string, command: string }} run */
export function describeMachine({ postgresVersion, command }) {
  const processors = cpus();
  const packages = [
    "@connectrpc/connect-node",
    "@bufbuild/protobuf",
    "@grpc/grpc-js",
    "@node-rs/argon2",
    "pg",
    "jose",
    "better-auth",
    "oidc-provider",
  ];
  return [
    `Date: ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
    `Command: \`${command}\``,
    `Commit: ${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", ":!bench") ? ", with changes" : ""}`,
    `Machine: ${processors[0]?.model.trim()}, ${processors.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, PostgreSQL ${postgresVersion}`,
    packages.map((name) => `${name} ${versionOf(name)}`).join(", "),
  ];
}

function git(...args) {
  return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}

/** From the package's own file: not every package exports it. */
function versionOf(name) {
  const folder = require.resolve.paths(name)?.find((path) => exists(`${path}/${name}/package.json`));
  return folder === undefined
    ? "not installed"
    : JSON.parse(readFileSync(`${folder}/${name}/package.json`, "utf8")).version;
}

function exists(file) {
  try {
    return readFileSync(file).length > 0;
  } catch {
    return false;
  }
}
