import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createAuth } from "@sello/node-client";
import { run } from "./children.mjs";

const FILE = new URL(".service-account", import.meta.url);
const SCOPES = "tokens:validate,envelopes:use";

/** The secret of the account that was made the last time, or of a new one where the server does not know that. @param {string} address */
export async function serviceAccountFor(address) {
  const known = await readFile(FILE, "utf8").catch(() => "");
  if (known !== "" && (await isKnown(address, known))) return known;
  const name = `examples-${randomBytes(4).toString("hex")}`;
  const output = await run([
    process.execPath,
    "server/dist/cli.js",
    "create-service-account",
    name,
    "--scopes",
    SCOPES,
  ]);
  const secret = /sa_[\w-]+/.exec(output)?.[0];
  if (secret === undefined) throw new Error("the command line made no service account");
  await writeFile(FILE, secret, { mode: 0o600 });
  return secret;
}

/** A token of nobody is refused; an account of nobody, before that. @param {string} address @param {string} serviceAccount */
async function isKnown(address, serviceAccount) {
  const auth = createAuth({ address, serviceAccount, onProblem: () => {} });
  const refusal = await auth.validate("a.b.c").catch((error) => error);
  auth.close();
  return refusal.code === "token_invalid";
}
