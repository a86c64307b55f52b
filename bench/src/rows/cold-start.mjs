import { registerUsers, startProduct } from "../product.mjs";

/** From the spawn to the first 200 of /readyz, on stores and keys that exist. */
export async function coldStart({ children, pace, databaseUrl, keysDir, dataDir }) {
  const own = { DATABASE_URL: databaseUrl, KEYS_DIR: keysDir };
  const embedded = { DATA_DIR: dataDir, KEYS_DIR: keysDir };
  const first = await startProduct(children, { env: embedded });
  await registerUsers(first.port, 1);
  await first.stop();
  const samples = { own: [], embedded: [] };
  for (let start = 0; start < pace.starts; start++) {
    samples.own.push(await startAndStop(children, own));
    samples.embedded.push(await startAndStop(children, embedded));
  }
  const row = { unit: " s", lowerIsBetter: true, atMost: 1 };
  return [
    { ...row, what: "Cold start, PostgreSQL runs already", product: samples.own },
    { ...row, what: "Cold start, embedded PostgreSQL starts too", product: samples.embedded },
  ];
}

async function startAndStop(children, env) {
  const product = await startProduct(children, { env });
  await product.stop();
  return product.startS;
}
