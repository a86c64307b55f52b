// A server that changes one password when its parent says so, and can be told at which of its statements to die.
import pg from "pg";
import { buildApp } from "../../dist/app.js";
import { readConfig } from "../../dist/config.js";
import { changePassword } from "../../dist/service/change-password.js";

const { config, secrets } = readConfig(process.env);
const { deps } = await buildApp(config, secrets);

/** @param {number} nth of the statements from now on @param {"before" | "after"} when it is sent */
function dieAt(nth, when) {
  const { query } = pg.Client.prototype;
  let sent = 0;
  pg.Client.prototype.query = function (/** @type {any[]} */ ...args) {
    const isLast = ++sent === nth;
    if (isLast && when === "before") process.kill(process.pid, "SIGKILL");
    const answer = query.apply(this, /** @type {any} */ (args));
    if (isLast) process.kill(process.pid, "SIGKILL");
    return answer;
  };
}

process.on("message", async (/** @type {any} */ { bearer, passwords, death }) => {
  if (death !== undefined) dieAt(death.nth, death.when);
  const client = { ip: "127.0.0.1", userAgent: "", requestId: "" };
  await changePassword(deps, { client, bearer }, passwords);
  process.send?.("done");
});

// Warm, so that the change itself takes no longer than in a server that has been running.
await deps.hasher.hash("warm");
process.send?.("ready");
