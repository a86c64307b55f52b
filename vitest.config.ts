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
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
