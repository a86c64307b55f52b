import type { App } from "./app.ts";
import type { Config } from "./config.ts";
import { seedUser, userExists } from "./postgres/demo-user.ts";

/** Somebody to log in as. Only in development, where nothing else protects anything. */
export const DEMO_USER = { email: "demo@example.com", username: "demo", password: "open sesame, twice" };

/** Creates the demo user unless it exists. Returns whether it can be used. */
export async function seedDemoUser({ stores, deps }: Pick<App, "stores" | "deps">, config: Config): Promise<boolean> {
  if (config.environment !== "development") return false;
  const { email, username, password } = DEMO_USER;
  if (await userExists(stores.database, email)) return true;
  const passwordHash = await deps.hasher.hash(password);
  const user = { id: deps.ids.uuid(), email, username, passwordHash, dataPublic: { display_name: "Demo" } };
  return seedUser(stores.database, user, deps.clock.now());
}

/** What a developer sees first: where it runs, what to try, and what is embedded. */
export function greeting({ url, metricsPort, embedded }: App, config: Config): string {
  const base = url.replace("127.0.0.1", "localhost");
  const body = JSON.stringify({ identifier: DEMO_USER.username, password: DEMO_USER.password });
  const api = base + config.basePath;
  return `
  Sello is listening on ${base}   (metrics on port ${metricsPort})

  Try:
    curl -s ${api}/auth/login -H 'content-type: application/json' -d '${body}'
    npx buf curl --http2-prior-knowledge --protocol grpc -d '${body}' ${base}/auth.v1.AuthService/Login
    curl -s ${base}/.well-known/jwks.json

  Embedded: ${embedded.length === 0 ? "nothing; all stores are your own" : embedded.join("; ")}
`;
}
