/** What the browser test runs inside the page: the package, and the same checks as in Node. */
export { importOpener, importRecipient, openRequest, sealHandshake, sealRequest } from "../../src/index.ts";
export * from "./channel-outcomes.ts";
export * from "./outcomes.ts";
