import { readFile } from "node:fs/promises";

type Document = { paths: Record<string, unknown> };

/** The OpenAPI document that was generated from the contract, with the routes where this server has them. */
export async function readOpenApi(file: string, served: (path: string) => string): Promise<string> {
  const document = JSON.parse(await readFile(file, "utf8")) as Document;
  const paths = Object.entries(document.paths).map(([path, item]) => [served(path), item]);
  return JSON.stringify({ ...document, paths: Object.fromEntries(paths) });
}
