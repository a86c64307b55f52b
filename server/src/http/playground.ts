import { readFile } from "node:fs/promises";
import { isLoopback } from "../domain/address.ts";
import { isNotModified } from "./not-modified.ts";
import type { OperationsPage } from "./operations.ts";
import { respond } from "./respond.ts";

/** What the page tells a developer about this server, and whom to log in as. */
export type PlaygroundSettings = {
  host: string;
  channelTtlS: number;
  accessTtlS: number;
  demo: { username: string; password: string; email: string };
};

const WEB_CLIENT = new URL("../../../web-client/", import.meta.url);
const TYPES: Record<string, string> = { html: "text/html", css: "text/css", js: "text/javascript" };

/** The files of the page, by served path. There are no others: a path of a request never becomes the path of a file. */
const FILES: readonly [path: string, file: string][] = [
  ["/playground", "playground/index.html"],
  ["/playground/", "playground/index.html"],
  ["/playground/auth.js", "dist/auth.js"],
  ["/playground/user-data.min.js", "dist/user-data.min.js"],
  ["/playground/data-json.min.js", "dist/data-json.min.js"],
  ...[
    "account.js",
    "actions.js",
    "break.js",
    "breaks.js",
    "card.css",
    "card.js",
    "clocks.js",
    "controls.css",
    "data-fields.js",
    "dom.js",
    "exchange.js",
    "factor.css",
    "factor.js",
    "json-view.js",
    "lab.js",
    "log.js",
    "main.js",
    "mends.js",
    "page.css",
    "recorder.js",
    "sessions.js",
    "theme.js",
    "token.js",
    "tokens.css",
    "totp.js",
    "user-data.js",
    "wire.js",
  ].map((name): [string, string] => [`/playground/${name}`, `playground/${name}`]),
];

/** Everything from here, nothing inline, and no form that a script does not hold. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const NOT_BUILT =
  "The playground needs web-client/dist/auth.js, user-data.min.js and data-json.min.js: run `npm run build -w @sello/web-client` and start the server again.\n";

/**
 * The pages of the playground by path, read once. Where a file is missing the page is one line that says what to do: a server
 * starts without its playground.
 */
export async function readPlayground(
  settings: PlaygroundSettings,
  folder: URL = WEB_CLIENT,
): Promise<Map<string, OperationsPage>> {
  try {
    const pages = FILES.map(
      async ([path, file]): Promise<[string, OperationsPage]> => [path, await readPage(new URL(file, folder))],
    );
    const read = await Promise.all(pages);
    return new Map([...read, ["/playground/settings.json", await settingsPage(settings)]]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const page = await pageOf("text/plain", NOT_BUILT);
    return new Map([
      ["/playground", page],
      ["/playground/", page],
    ]);
  }
}

async function readPage(file: URL): Promise<OperationsPage> {
  const type = TYPES[file.pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream";
  return await pageOf(type, await readFile(file));
}

/** The demo user is there only where nobody but this machine can reach the server. */
function settingsPage({ host, channelTtlS, accessTtlS, demo }: PlaygroundSettings): Promise<OperationsPage> {
  const settings = { channelTtlS, accessTtlS, demo: isLoopback(host) ? demo : null };
  return pageOf("application/json", JSON.stringify(settings));
}

async function pageOf(type: string, content: string | Uint8Array): Promise<OperationsPage> {
  const bytes = Buffer.from(content);
  const etag = `"${Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("base64url", 0, 16)}"`;
  const headers = { "cache-control": "no-cache", "content-security-policy": POLICY, etag };
  const contentType = type === "application/json" ? type : `${type}; charset=utf-8`;
  return async (response, request) => {
    if (isNotModified(request, etag)) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    respond(response, 200, { ...headers, "content-type": contentType }, bytes);
  };
}
