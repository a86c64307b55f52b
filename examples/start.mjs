// npm run examples: two back ends and a page beside the server, which is started too where there is none.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { answers, createChildren, root, run, untilAnswers } from "./children.mjs";
import { portOf, settings } from "./settings.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
/** @param {string} line */
const say = (line) => process.stdout.write(`${line}\n`);

const children = createChildren();
try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
  children.stopAll();
}

async function main() {
  if (!existsSync(`${here}node_modules`)) {
    say("Installing Express and Fastify, once …");
    await run(["npm", "ci", "--no-audit", "--no-fund"], here);
  }
  await run(["npx", "tsc", "-b", "envelope", "server", "web-client", "node-client"], root);

  if (!(await answers(`${settings.sello}/healthz`))) {
    say(`Nobody answers at ${settings.sello}: starting a server …`);
    const server = children.start("server/dist/main.js", { CORS_ORIGINS: settings.page, LOG_LEVEL: "warn" });
    await untilAnswers(`${settings.sello}/healthz`, server);
  }

  const { serviceAccountFor } = await import("./service-account.mjs");
  const env = { SELLO_SERVICE_ACCOUNT: await serviceAccountFor(settings.sello) };
  const express = children.start("examples/express/main.mjs", env);
  const fastify = children.start("examples/fastify/main.mjs", env);
  await untilAnswers(settings.express, express);
  await untilAnswers(settings.fastify, fastify);

  const { createPageServer } = await import("./page/serve.mjs");
  const page = await createPageServer(settings);
  page.listen(portOf(settings.page), "localhost");
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      children.stopAll();
      page.close();
      page.closeAllConnections();
    });
  }
  say(greeting(await mayPageCall()));
}

/** Whether the server lets the page call it, which is the server's to decide. */
async function mayPageCall() {
  const headers = { origin: settings.page, "access-control-request-method": "POST" };
  const answer = await fetch(`${settings.sello}/auth/login`, { method: "OPTIONS", headers });
  return answer.headers.get("access-control-allow-origin") === settings.page;
}

/** @param {boolean} pageMayCall */
function greeting(pageMayCall) {
  const login = `curl -s ${settings.sello}/auth/login -H 'content-type: application/json' -d '{"identifier":"demo","password":"open sesame, twice"}'`;
  return `
  A shop on Express is at ${settings.express}, the same on Fastify at ${settings.fastify}.

  The page, which seals: ${settings.page}   (user demo, password: open sesame, twice)
${pageMayCall ? "" : `  It cannot log in yet: start the server with CORS_ORIGINS=${settings.page}\n`}
  Try:
    TOKEN=$(${login} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
    curl -s ${settings.express}/orders                                        who are you?
    curl -s ${settings.express}/orders -H "authorization: Bearer $TOKEN"      your orders
    curl -s ${settings.fastify}/admin -H "authorization: Bearer $TOKEN"       needs the permission users:read
    curl -s ${settings.fastify}/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"item":"pear"}'
                                                                              must be sealed: the page does that
`;
}
