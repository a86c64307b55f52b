/** The bare SQL of one rotation: the product's statement through its own store, on eight connections, each with its chain. */
import { randomBytes } from "node:crypto";
import { refreshTokens } from "../../../server/dist/crypto/refresh-tokens.js";
import { openDatabase } from "../../../server/dist/postgres/database.js";
import { createRefreshTokenStore } from "../../../server/dist/postgres/refresh-tokens.js";
import { onAsk, ready, settings } from "../child.mjs";

const onError = (error) => {
  throw error;
};
const db = openDatabase({ url: settings.databaseUrl, poolSize: 8, onError });
const store = createRefreshTokenStore(db);
const chains = settings.tokens.map((token) => refreshTokens.parse(token).hash);
const successorSealed = randomBytes(74);

async function follow(chain, end) {
  let count = 0;
  for (; performance.now() < end; count++) {
    const successorHash = randomBytes(32);
    const rotation = { hash: chains[chain], successorHash, successorSealed, successorLifeS: 604_800, now: new Date() };
    if ((await store.rotate(rotation)) === undefined) throw new Error("a token was not rotated");
    chains[chain] = successorHash;
  }
  return count;
}

onAsk(async (ms) => {
  const start = performance.now();
  const counts = await Promise.all(chains.map((_, chain) => follow(chain, start + ms)));
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - start) / 1000);
});
ready();
