import { join } from "node:path";
import pg from "pg";
import { randomSecret } from "../../server/dist/crypto/random.js";
import { startEmbeddedPostgres } from "../../server/dist/postgres/embedded.js";

/** One PostgreSQL for the product and for every peer, with a database each. @param {string} folder */
export async function startPostgres(folder) {
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    randomPassword: randomSecret,
    log: (line) => process.stderr.write(`PostgreSQL: ${line}\n`),
    warn: (line) => process.stderr.write(`PostgreSQL: ${line}\n`),
    database: "bench",
  });
  const admin = new pg.Pool({ connectionString: postgres.url, max: 1 });
  const { rows } = await admin.query("SHOW server_version");
  return {
    version: rows[0].server_version,
    async createDatabase(name) {
      await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
      const url = new URL(postgres.url);
      url.pathname = `/${name}`;
      return url.href;
    },
    async stop() {
      await admin.end();
      await postgres.stop();
    },
  };
}
