import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { buildScript } from "../../web-client/build.mjs";

/** Nothing inline, nothing evaluated, and calls to anywhere. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' http: https:";

/**
 * A site of four files, the page, its style, its script, and the browser's client as one script; and the addresses of the rest.
 * @param {{ sello: string, express: string, fastify: string }} addresses what the page calls
 */
export async function createPageServer(addresses) {
  /** @param {string} name */
  const file = (name) => readFile(new URL(name, import.meta.url));
  /** @type {Map<string, [string, string | Uint8Array]>} */
  const files = new Map([
    ["/", ["text/html; charset=utf-8", await file("index.html")]],
    ["/page.css", ["text/css; charset=utf-8", await file("page.css")]],
    ["/page.js", ["text/javascript; charset=utf-8", await file("page.js")]],
    ["/auth.js", ["text/javascript; charset=utf-8", await buildScript()]],
  ]);
  return createServer((request, response) => {
    if (request.url === "/addresses.json") {
      return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(addresses));
    }
    const found = files.get(request.url ?? "/");
    if (found === undefined) return response.writeHead(404).end();
    return response.writeHead(200, { "content-type": found[0], "content-security-policy": POLICY }).end(found[1]);
  });
}
