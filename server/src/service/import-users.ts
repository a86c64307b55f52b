import { AuthError } from "../domain/errors.ts";
import { type ReadLineDeps, readImportLine } from "./import-line.ts";
import type { ImportedUser, UserImports } from "./import-ports.ts";
import type { Clock, Ids, PasswordHasher } from "./ports.ts";

export type ImportUsersDeps = Pick<ReadLineDeps, "parsePublicData"> & {
  userImports: UserImports;
  hasher: Pick<PasswordHasher, "foreignHashProblem">;
  clock: Clock;
  ids: Ids;
};
export type ImportReport = { imported: number; present: number; refused: number };

type Batch = { users: ImportedUser[]; lines: number[] };
const BATCH = 200;
const TAKEN = "the email, the username or the id is another account's";

/**
 * Stores users of another system, one line of JSON each, in batches: what was stored stays, whatever comes after it, and a second run
 * goes on where the first one ended. A line that cannot be read stops nothing.
 */
export async function importUsers(
  deps: ImportUsersDeps,
  lines: AsyncIterable<string>,
  options: { dryRun: boolean; onRefused(line: number, problem: string): void },
): Promise<ImportReport> {
  const { dryRun } = options;
  const report: ImportReport = { imported: 0, present: 0, refused: 0 };
  const now = deps.clock.now();
  const roles = new Set(await deps.userImports.roleNames());
  const { parsePublicData } = deps;
  const newId = () => deps.ids.uuid();
  const reading = { parsePublicData, newId, roles, now, foreignHashProblem: deps.hasher.foreignHashProblem };
  const refuse = (line: number, problem: string) => {
    report.refused++;
    options.onRefused(line, problem);
  };

  async function store({ users, lines: numbers }: Batch): Promise<void> {
    const outcomes = users.length === 0 ? [] : await deps.userImports.add(users, { now, dryRun });
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome === "taken") refuse(numbers[index] ?? 0, TAKEN);
      else report[outcome]++;
    }
  }

  let batch: Batch = { users: [], lines: [] };
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    const user = read(reading, line);
    if (typeof user === "string") refuse(number, user);
    else {
      batch.users.push(user);
      batch.lines.push(number);
    }
    if (batch.users.length < BATCH) continue;
    await store(batch);
    batch = { users: [], lines: [] };
  }
  await store(batch);
  return report;
}

/** The user, or why there is none. */
function read(deps: ReadLineDeps, line: string): ImportedUser | string {
  try {
    return readImportLine(deps, line);
  } catch (error) {
    if (error instanceof AuthError && error.publicMessage !== undefined) return error.publicMessage;
    throw error;
  }
}
