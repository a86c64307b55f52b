import { residentMb } from "../children.mjs";
import { loadLogin, startProduct } from "../product.mjs";

const SAMPLE_MS = 50;

/** The server's own process, not PostgreSQL's. A new one a round: idle after its start, and the most it takes under logins. */
export async function memory({ children, pace, users, databaseUrl, keysDir }) {
  const idle = [];
  const loaded = [];
  for (let round = 0; round < pace.rounds; round++) {
    const product = await startProduct(children, { env: { DATABASE_URL: databaseUrl, KEYS_DIR: keysDir } });
    await new Promise((resolve) => setTimeout(resolve, pace.idleMs));
    idle.push(await residentMb(product.pid));
    let peak = 0;
    const timer = setInterval(async () => {
      peak = Math.max(peak, await residentMb(product.pid));
    }, SAMPLE_MS);
    await loadLogin(product.port, users, pace.durationMs);
    clearInterval(timer);
    loaded.push(peak);
    await product.stop();
  }
  const row = { unit: " MB", lowerIsBetter: true };
  return [
    { ...row, what: `RSS idle, ${pace.idleMs / 1000} s after the start`, product: idle, atMost: 100 },
    { ...row, what: "RSS at its peak under logins, concurrency 8", product: loaded },
  ];
}
