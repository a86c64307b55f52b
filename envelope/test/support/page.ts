/** What the browser test runs inside the page: the package, and the same checks as in Node. */
export { importOpener, importRecipient, openRequest, sealRequest } from "../../src/index.ts";
export * from "./outcomes.ts";
