import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: {
      "@sello/envelope": fileURLToPath(new URL("envelope/src/index.ts", import.meta.url)),
      "@sello/node-client": fileURLToPath(new URL("node-client/src/index.ts", import.meta.url)),
    },
  },
  test: {
    include: ["{server,envelope,web-client,node-client,examples}/test/**/*.test.ts"],
    globalSetup: ["server/test/support/global-setup.ts"],
    // The tests wait for stores and clocks more than they compute: three files at once, also on two cores.
    maxWorkers: Math.max(3, availableParallelism()),
    // A shared runner may stand still for seconds, which tests of time take for a fault. The report names whom it gave a second try;
    // on a developer's machine nobody gets one.
    retry: process.env["CI"] === "true" ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
