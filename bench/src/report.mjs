import { median, ratios, summary } from "./stats.mjs";

/**
 * @typedef {object} Row
 * @property {string} what
 * @property {string} unit
 * @property {number[]} product a sample a round
 * @property {{ what: string, samples: number[] }} [baseline] the same rounds
 * @property {number} [target] the least ratio of product to baseline
 * @property {number} [atMost] the most the product may take
 * @property {boolean} [lowerIsBetter]
 */

const HEAD = ["Row", "Product", "Against", "Baseline", "Ratio", "Target"];

/** @param {Row[]} rows @returns {string[][]} */
export function toTable(rows) {
  return rows.map((row) => [
    row.what,
    spread(row.product, row.unit),
    row.baseline?.what ?? "",
    row.baseline === undefined ? "" : spread(row.baseline.samples, row.unit),
    row.baseline === undefined ? "" : spread(ratios(row.product, row.baseline.samples), ""),
    targetText(row),
  ]);
}

/** @param {Row} row */
export function isMissed(row) {
  if (row.atMost !== undefined) return median(row.product) > row.atMost;
  return row.target !== undefined && row.baseline !== undefined && ratioOf(row) < row.target;
}

function ratioOf(row) {
  return median(ratios(row.product, row.baseline.samples));
}

function targetText(row) {
  const verdict = isMissed(row) ? "MISSED" : "met";
  if (row.atMost !== undefined) return `<= ${row.atMost}${row.unit}: ${verdict}`;
  return row.target === undefined ? "" : `>= ${row.target}: ${verdict}`;
}

/** The median, and the least and the most. */
function spread(samples, unit) {
  const { median: middle, min, max } = summary(samples);
  const range = samples.length > 1 ? ` (${number(min)} to ${number(max)})` : "";
  return `${number(middle)}${unit}${range}`;
}

function number(value) {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
  return value.toPrecision(Math.abs(value) >= 1 ? 3 : 2);
}

/** For a terminal. @param {Row[]} rows */
export function toText(rows) {
  const lines = [HEAD, ...toTable(rows)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** @param {{ machine: string[], rows: Row[], pace: { rounds: number, durationMs: number, starts: number } }} run */
export function toMarkdown({ machine, rows, pace }) {
  const table = [HEAD, HEAD.map(() => "---"), ...toTable(rows)].map((line) => `| ${line.join(" | ")} |`);
  return `# Product against limit

Written by \`npm run bench\`. Do not edit: run it again.

${machine.map((line) => `- ${line}`).join("\n")}

${table.join("\n")}

A cell holds the median of ${pace.rounds} runs of ${pace.durationMs / 1000} s and, in brackets, the least and the most (cold start:
${pace.starts} starts). Product and baselines run in turn, so a ratio compares what ran in the same minute; it is the median of the
rounds' own ratios. Below 1 the product is the smaller figure.

## Reading

${reading(rows)
  .map((line) => `- ${line}`)
  .join("\n")}
`;
}

/** @param {Row[]} rows */
function reading(rows) {
  const judged = rows.filter((row) => row.target !== undefined || row.atMost !== undefined);
  const missed = judged.filter(isMissed);
  const short = missed.map((row) =>
    row.baseline === undefined
      ? `${row.what}: ${number(median(row.product))}${row.unit}`
      : `${row.what} against ${row.baseline.what}: ${number(ratioOf(row))} of ${row.target}`,
  );
  return [
    `${judged.length - missed.length} of ${judged.length} targets are met${missed.length > 0 ? `; missed: ${short.join("; ")}` : ""}.`,
    "Server, load generator and PostgreSQL share the machine's cores. Figures are for comparison with their neighbours, not for sizing.",
    "One Node process serves, as by default; every echo and peer has one too. The load generator is the same for all: HTTP/1.1 on 8 raw sockets, gRPC as 16 streams on 4 HTTP/2 sessions of node:http2, one request at a time each. It takes part of what the bare echoes could give, so they are limits of this set-up.",
    "The echoes send and receive what GetMe does and do nothing else: no authentication, no database, no request id, no metrics. GetMe reads its session from PostgreSQL each time.",
    "The sum of echo, rotation and issue is that of one thread; PostgreSQL works on another core, so a ratio above 1 is possible.",
    "A sealed login's overhead is measured one request at a time, with the hash made cheap; it includes opening the request and sealing the answer, not the client's work.",
    "The peers answer other contracts: better-auth keeps an opaque session in a cookie and hashes by its own default, scrypt; oidc-provider hands out opaque tokens, checks a client secret a call, and stores through a minimal adapter of one named statement a call.",
    "Memory is that of the server's process, without PostgreSQL. Cold start is on existing stores and keys.",
  ];
}
