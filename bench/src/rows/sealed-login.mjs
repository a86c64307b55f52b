import { importRecipient, sealRequest } from "../../../envelope/dist/index.js";
import { callOnce, expectSuccess, jsonPost, openConnection, requestBytes } from "../load-http.mjs";
import { PASSWORD, registerUsers, startProduct } from "../product.mjs";
import { median } from "../stats.mjs";

const PATH = "/auth/login";
const KINDS = ["plain", "RSA-OAEP-256", "ECDH-ES"];

/**
 * What a sealed login costs beyond a plain one, one at a time, in turn. On a server of its own with the cheapest hash, in whose
 * noise the difference would drown: the envelope does not know what is hashed.
 */
export async function sealedLogin({ children, pace, postgres, keysDir, profileDir }) {
  const databaseUrl = await postgres.createDatabase("sello_sealed");
  const product = await startProduct(children, {
    env: { DATABASE_URL: databaseUrl, KEYS_DIR: keysDir, ARGON2_MEMORY_KIB: "8", ARGON2_PASSES: "1" },
    profileDir,
  });
  const [identifier] = await registerUsers(product.port, 1);
  const recipients = await readRecipients(product.port);
  const privateOperations = await children.fork("src/limits/front-key.mjs");
  const connection = await openConnection(product.port);

  /** The median milliseconds of each kind, in one pass. */
  async function timings(durationMs) {
    const times = { plain: [], "RSA-OAEP-256": [], "ECDH-ES": [] };
    const end = performance.now() + durationMs;
    while (performance.now() < end) {
      for (const kind of KINDS) {
        const bytes = await loginRequest(recipients.get(kind), { identifier, password: PASSWORD });
        const start = performance.now();
        expectSuccess(await connection.send(bytes));
        times[kind].push(performance.now() - start);
      }
    }
    return times;
  }

  const passes = [];
  const samples = await pace.measure({
    plain: async (ms) => {
      passes.push(await timings(ms));
      return median(passes.at(-1).plain);
    },
    rsaOverhead: () => overhead(passes.at(-1), "RSA-OAEP-256"),
    rsa: (ms) => privateOperations.ask({ operation: "rsa", ms: ms / 4 }),
    ecdhOverhead: () => overhead(passes.at(-1), "ECDH-ES"),
    ecdh: (ms) => privateOperations.ask({ operation: "ecdh", ms: ms / 4 }),
  });
  connection.close();
  await Promise.all([product.stop(), privateOperations.stop()]);

  const row = (what, product, against, baseline) => ({
    what,
    unit: " ms",
    product: samples[product],
    baseline: { what: against, samples: samples[baseline] },
    lowerIsBetter: true,
  });
  return [
    row("Sealed login RSA-3072, beyond a plain one", "rsaOverhead", "raw RSA-OAEP-256 decryption", "rsa"),
    row("Sealed login P-256, beyond a plain one", "ecdhOverhead", "raw import of the epk and ECDH", "ecdh"),
  ];
}

async function overhead(times, kind) {
  return median(times[kind]) - median(times.plain);
}

async function readRecipients(port) {
  const { body } = await callOnce(port, requestBytes({ method: "GET", path: "/.well-known/jwks.json" }));
  const front = JSON.parse(body).keys.filter((key) => key.use === "enc_front");
  const recipients = new Map();
  for (const key of front) if (!recipients.has(key.alg)) recipients.set(key.alg, await importRecipient(key));
  return recipients;
}

async function loginRequest(recipient, input) {
  if (recipient === undefined) return jsonPost(PATH, input);
  const { envelope } = await sealRequest(recipient, JSON.stringify(input), { binding: PATH, now: Date.now() / 1000 });
  return jsonPost(PATH, { __front_enc__: envelope });
}
