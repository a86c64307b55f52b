/** Blocks that no test runs, and why. */
export const NOT_RUN: Record<string, string> = {
  "npm ci": "starts a server for good: startApp stands for it",
  "npm run build": "the suite runs after the build, and the workshop has the packages by the same links",
  "npm install": "asks a registry: the workshop has what it installs, guide-installs.test.ts compares the names",
  grpcurl: "no Debian package has it; buf curl makes the same call",
};

/** As generated from the guide's own file. */
export type CountingClient = { countOrders(request: { year: number }): Promise<{ count: number; countedFor: string }> };

/** Hands what comes to the reader's function, as a queue would. */
export const WORKER = `import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { handle } from "./by-hand.mjs";
createServer(async (request, response) => {
  const answer = await handle(await json(request));
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
}).listen(4000);
`;

/** What is the reader's own. */
export const STUBS = `var shown = [];
for (const name of ["showLogin", "showUser", "showMessage", "showCodeForm", "showSecret", "showRecoveryCodes"]) {
  globalThis[name] = (what) => shown.push([name, what?.username ?? what].filter(Boolean).join(" "));
}
var proof;
globalThis.askForProof = async () => proof;
`;
