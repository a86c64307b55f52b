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
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
