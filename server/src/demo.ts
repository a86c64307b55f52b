import type { App } from "./app.ts";
import type { Config } from "./config.ts";
import { isLoopback } from "./domain/address.ts";
import { seedUser, userExists } from "./postgres/demo-user.ts";
import type { Log } from "./telemetry/log.ts";

/** Somebody to log in as. Everybody knows the password. */
export const DEMO_USER = { email: "demo@example.com", username: "demo", password: "open sesame, twice" };

/**
 * Creates the demo user unless it exists: in development, and only where nobody but this machine can reach it. Returns whether
 * it is there to be tried.
 */
export async function seedDemoUser(
  { stores, deps }: Pick<App, "stores" | "deps">,
  { config, log }: { config: Config; log: Log },
): Promise<boolean> {
  if (config.environment !== "development") return false;
  const { email, username, password } = DEMO_USER;
  const exists = await userExists(stores.database, email);
  if (!isLoopback(config.host)) {
    if (exists) log.warn(`${email} of an earlier start is in the database, with a password that everybody knows`);
    return false;
  }
  if (exists) return true;
  const passwordHash = await deps.hasher.hash(password);
  const user = { id: deps.ids.uuid(), email, username, passwordHash, dataPublic: { display_name: "Demo" } };
  return seedUser(stores.database, user, deps.clock.now());
}
