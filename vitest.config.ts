import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: { "@sello/envelope": fileURLToPath(new URL("envelope/src/index.ts", import.meta.url)) },
  },
  test: {
    include: ["server/test/**/*.test.ts", "envelope/test/**/*.test.ts", "web-client/test/**/*.test.ts"],
    globalSetup: ["server/test/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
