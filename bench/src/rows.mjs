import { join } from "node:path";
import { startPeers } from "./peers.mjs";
import { startPostgres } from "./postgres.mjs";
import { registerUsers, startProduct } from "./product.mjs";
import { coldStart } from "./rows/cold-start.mjs";
import { getMe } from "./rows/get-me.mjs";
import { login } from "./rows/login.mjs";
import { memory } from "./rows/memory.mjs";
import { refresh } from "./rows/refresh.mjs";
import { sealedCall } from "./rows/sealed-call.mjs";
import { sealedLogin } from "./rows/sealed-login.mjs";
import { tokens } from "./rows/tokens.mjs";
import { validate } from "./rows/validate.mjs";

const USERS = 64;
/** In the order of the table. Those that want the machine for themselves come last. */
const ROWS = {
  getme: getMe,
  login,
  refresh,
  tokens,
  sealed: sealedLogin,
  channel: sealedCall,
  validate,
  memory,
  start: coldStart,
};
/** They start products of their own, with no other one beside. */
const ALONE = ["memory", "start"];
export const rowNames = Object.keys(ROWS);

/** Runs the rows on one PostgreSQL and one product. The first that fails is thrown. */
export async function runRows({ only, folder, children, pace, profileDir, say }) {
  const postgres = await startPostgres(folder);
  try {
    const databaseUrl = await postgres.createDatabase("sello");
    const keysDir = join(folder, "keys");
    const product = await startProduct(children, { env: { DATABASE_URL: databaseUrl, KEYS_DIR: keysDir }, profileDir });
    const users = await registerUsers(product.port, USERS);
    let started;
    const peers = () => {
      started ??= startPeers({ children, postgres, users });
      return started;
    };
    const dataDir = join(folder, "data");
    const context = { product, users, peers, children, pace, postgres, databaseUrl, keysDir, dataDir, profileDir };

    const rows = [];
    let isAlone = false;
    for (const name of rowNames.filter((row) => only.includes(row))) {
      pace.signal.throwIfAborted();
      say(`${name} ...`);
      if (ALONE.includes(name) && !isAlone) {
        await children.stopAll();
        isAlone = true;
      }
      rows.push(...(await ROWS[name](context)));
    }
    return { rows, postgresVersion: postgres.version };
  } finally {
    await children.stopAll();
    await postgres.stop();
  }
}
