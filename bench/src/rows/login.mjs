import { loadHttp } from "../load-http.mjs";
import { loadLogin } from "../product.mjs";

/** The product's parameters, RFC 9106's second choice at OWASP's size. */
const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const WARM_UPS = 12;

/** A login is a hash: everything else has to fit beside it. */
export async function login({ product, users, peers, children, pace }) {
  const hashes = await children.fork("src/limits/hash.mjs", { argon2: ARGON2 });
  const { better } = await peers();
  const contestants = {
    product: (ms) => loadLogin(product.port, users, ms),
    hashes: (ms) => hashes.ask(ms),
    better: (ms) => loadHttp({ port: better.port, connections: 8, durationMs: ms, next: better.nextSignIn }),
  };
  // A hundred logins a second: only after some thousands is their code compiled, as in a server that has run for a minute.
  const samples = await pace.measure(contestants, { warmUps: WARM_UPS });
  await hashes.stop();
  const row = (against, baseline, target) => ({
    what: "Login",
    unit: "/s",
    product: samples.product,
    baseline: { what: against, samples: samples[baseline] },
    target,
  });
  return [
    row("Argon2id alone, same engine and parameters", "hashes", 0.9),
    row("better-auth, sign-in (its scrypt)", "better", 1),
  ];
}
