import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createChildren } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { createPace } from "./pace.mjs";
import { resultsFile, root } from "./paths.mjs";
import { toMarkdown, toText } from "./report.mjs";

const HELP = `npm run bench -- [--only ROW,ROW] [--quick] [--profile FOLDER]

  --only      only these rows: getme, login, refresh, tokens, sealed, channel, validate, memory, start
  --quick     one run of a second each, to see that it works
  --profile   leave CPU profiles of the product's processes in this folder

RESULTS.md is written by a whole run without options.`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    profile: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (options.help) process.stdout.write(`${HELP}\n`);
else await main();

async function main() {
  execFileSync("npx", ["tsc", "-b", "envelope", "server", "node-client"], { cwd: root, stdio: "inherit" });
  const { rowNames, runRows } = await import("./rows.mjs");
  const only = options.only?.split(",") ?? rowNames;
  const unknown = only.filter((name) => !rowNames.includes(name));
  if (unknown.length > 0) throw new Error(`no such row: ${unknown.join(", ")}. There are ${rowNames.join(", ")}`);

  const folder = await mkdtemp(join(tmpdir(), "sello-bench-"));
  const children = createChildren();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      stop.abort(new Error(`ended by ${signal}`));
      children.stopAll();
    });
  }
  const pace = createPace({ quick: options.quick, signal: stop.signal });
  try {
    const { rows, postgresVersion } = await runRows({
      only,
      folder,
      children,
      pace,
      profileDir: options.profile,
      say: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(`\n${toText(rows)}\n`);
    const whole = options.only === undefined && options.profile === undefined && !options.quick;
    if (!whole) return;
    const machine = describeMachine({ postgresVersion, command: "cd bench && npm ci && npm run bench" });
    await writeFile(resultsFile, toMarkdown({ machine, rows, pace }));
  } finally {
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  }
}
