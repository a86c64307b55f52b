import { type FileHandle, open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { createUserImports } from "../postgres/user-imports.ts";
import { parsePublicData } from "../rpc/public-data.ts";
import { importUsers as run } from "../service/import-users.ts";
import { withAdministration } from "./administration.ts";
import { type Command, UsageError } from "./command.ts";

export const importUsers: Command = {
  usage: "import-users FILE.jsonl [--dry-run]",
  help: [
    "Take over users of another system with their passwords' hashes: one JSON object a line, with email, username and password_hash,",
    "and, as it may be, email_verified, roles, data_public, created_at and id. A hash is argon2, scrypt or PBKDF2 in PHC form, or bcrypt;",
    "it becomes argon2id at the first login. Who is there already is left alone, so that an import can be run again. A line that is",
    "refused is told with its number, and stops nothing; the exit code is then 1. With --dry-run everything is checked and nothing stored.",
  ].join("\n      "),
  async run(environment, args) {
    const { values, positionals } = parseArgs({
      args,
      options: { "dry-run": { type: "boolean", default: false } },
      allowPositionals: true,
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new UsageError("Give one file.");
    const handle = await open(file).catch(() => {
      throw new UsageError(`${file} cannot be read`);
    });
    const dryRun = values["dry-run"];
    const report = await withAdministration(environment, (deps, { database }) =>
      run({ ...deps, userImports: createUserImports(database), parsePublicData }, linesOf(handle), {
        dryRun,
        onRefused: (line, problem) => console.error(`line ${line}: ${problem}`),
      }),
    );
    const { imported, present, refused } = report;
    console.log(`${dryRun ? "would import" : "imported"} ${imported}, already there ${present}, refused ${refused}`);
    if (refused > 0) process.exitCode = 1;
  },
};

/** Opened when the first line is asked for: Node's own lines are lost while nobody reads. */
async function* linesOf(handle: FileHandle): AsyncIterable<string> {
  try {
    yield* handle.readLines({ autoClose: false });
  } finally {
    await handle.close();
  }
}
