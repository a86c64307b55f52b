import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium, type Page } from "playwright-core";
import type * as InPage from "./page.ts";

declare global {
  var sello: typeof InPage;
}

export const chromiumPath = "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * An empty page in Chromium with `page.ts` as the global `sello`. It comes from 127.0.0.1, a secure context, or there would
 * be no WebCrypto.
 */
export async function openPage(): Promise<{ page: Page; close(): Promise<void> }> {
  const script = await bundle();
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({ executablePath: chromiumPath, args });
  const close = async () => {
    await browser.close();
    server.close();
  };
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${portOf(server.address())}/`);
  await page.addScriptTag({ content: script });
  return { page, close };
}

/** Fails when the package needs anything that a browser lacks: `platform: "browser"` knows no node: modules. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "sello",
  });
  return outputFiles.map(({ text }) => text).join("");
}

function portOf(address: ReturnType<ReturnType<typeof createServer>["address"]>): number {
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return address.port;
}
