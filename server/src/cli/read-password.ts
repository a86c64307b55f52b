import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { UsageError } from "./command.ts";

/**
 * A password from a file, from standard input, or, where that is a terminal, typed twice without being shown. Never from the
 * arguments: every user of the machine can read those. One line break at the end is not part of it.
 */
export async function readPassword(file: string | undefined): Promise<string> {
  if (file !== undefined) return withoutLineBreak(await readFile(file, "utf8").catch(refuse(file)));
  if (!process.stdin.isTTY) return withoutLineBreak(await text(process.stdin));
  const first = await ask("Password: ");
  if ((await ask("Again: ")) !== first) throw new UsageError("The two passwords differ.");
  return first;
}

async function ask(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}

function withoutLineBreak(written: string): string {
  return written.replace(/\r?\n$/, "");
}

function refuse(file: string): () => never {
  return () => {
    throw new UsageError(`${file} cannot be read`);
  };
}
