import { fileURLToPath } from "node:url";

/** The product's folder, one up. */
export const root = fileURLToPath(new URL("../..", import.meta.url));
export const main = fileURLToPath(new URL("../../server/dist/main.js", import.meta.url));
export const resultsFile = fileURLToPath(new URL("../RESULTS.md", import.meta.url));
