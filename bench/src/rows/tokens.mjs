/** Why the product has a small codec of its own: the same tokens through jose. */
export async function tokens({ children, pace }) {
  const user = { id: "2f1c6c0e-7a44-4d0c-9f0b-1d8a3d3f7a10", username: "bench0", roles: ["user"], permissions: [] };
  const child = await children.fork("src/limits/token-crypto.mjs", { user });
  const operations = ["rawIssue", "productIssue", "joseIssue", "productOpen", "productOpenSeen", "joseOpen"];
  const samples = await pace.measure(
    Object.fromEntries(operations.map((operation) => [operation, (ms) => child.ask({ operation, ms })])),
  );
  await child.stop();
  const row = (what, product, against, baseline) => ({
    what,
    unit: "/s",
    product: samples[product],
    baseline: { what: against, samples: samples[baseline] },
  });
  return [
    row("Issue an access token, 1 thread", "productIssue", "raw node:crypto operations", "rawIssue"),
    row("Issue an access token, 1 thread", "productIssue", "jose", "joseIssue"),
    row("Open an unseen access token, 1 thread", "productOpen", "jose", "joseOpen"),
    row("Open a seen access token, 1 thread", "productOpenSeen", "jose", "joseOpen"),
  ];
}
