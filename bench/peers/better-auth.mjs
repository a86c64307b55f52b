/** better-auth as its documentation sets it up: email and password, sessions in PostgreSQL, its own handler on node:http. */
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import pg from "pg";
import { ready, settings } from "../src/child.mjs";

const { port, databaseUrl } = settings;
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: "only for the bench, only for the bench",
  database: new pg.Pool({ connectionString: databaseUrl, max: 10 }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: "error" },
});
await (await getMigrations(auth.options)).runMigrations();

createServer(toNodeHandler(auth)).listen(port, "127.0.0.1", () => ready());
