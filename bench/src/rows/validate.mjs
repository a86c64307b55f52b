import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createAuth } from "../../../node-client/dist/index.js";
import { answersPerSecond } from "../load.mjs";
import { loadGrpc } from "../load-grpc.mjs";
import { logIn } from "../product.mjs";

const CLI = fileURLToPath(new URL("../../../server/dist/cli.js", import.meta.url));
const AT_ONCE = 16;

/** Another back end asks whose token it has, through the client: with its memory, and without. */
export async function validate({ product, users, pace, databaseUrl, keysDir }) {
  const serviceAccount = createServiceAccount({ DATABASE_URL: databaseUrl, KEYS_DIR: keysDir });
  const sessions = await Promise.all(users.slice(0, AT_ONCE).map((user) => logIn(product.port, user)));
  const tokens = sessions.map((session) => session.access_token);
  const address = `http://127.0.0.1:${product.port}`;
  const cached = createAuth({ address, serviceAccount });
  const uncached = createAuth({ address, serviceAccount, cache: { lifeMs: 0, unwatchedLifeMs: 0 } });

  const load = (auth) => (durationMs) =>
    answersPerSecond(
      tokens.map((token) => async (again) => {
        let count = 0;
        for (; again(); count++) await auth.validate(token);
        return count;
      }),
      durationMs,
    );
  const headers = { authorization: `Bearer ${tokens[0]}` };
  const getMe = (durationMs) =>
    loadGrpc({
      port: product.port,
      path: "/auth.v1.AuthService/GetMe",
      headers,
      message: new Uint8Array(),
      sessions: 4,
      streams: AT_ONCE,
      durationMs,
    });
  const samples = await pace.measure({ uncached: load(uncached), cached: load(cached), getMe });
  await Promise.all([cached.close(), uncached.close()]);

  const row = (what, product, against, baseline) => ({
    what,
    unit: "/s",
    product: samples[product],
    baseline: { what: against, samples: samples[baseline] },
  });
  return [
    row("node-client validate, not remembered", "uncached", "GetMe over gRPC", "getMe"),
    row("node-client validate, remembered", "cached", "not remembered", "uncached"),
  ];
}

/** @param {Record<string, string>} env */
function createServiceAccount(env) {
  const args = [CLI, "create-service-account", "bench", "--scopes", "tokens:validate"];
  return execFileSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: "utf8" }).trim();
}
