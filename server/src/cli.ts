import { createAdmin, grantRole, takeRole } from "./cli/admins.ts";
import { auditVerify } from "./cli/audit.ts";
import { auditArchive } from "./cli/audit-archive.ts";
import { type Command, UsageError } from "./cli/command.ts";
import { importUsers } from "./cli/import-users.ts";
import { rotateKeys, rotateKmsKey } from "./cli/keys.ts";
import { migrate } from "./cli/migrate.ts";
import { rewrap } from "./cli/rewrap.ts";
import { seed } from "./cli/seed.ts";
import { createServiceAccount, disableServiceAccount, listServiceAccounts } from "./cli/service-accounts.ts";
import { unlock } from "./cli/unlock.ts";
import { ConfigError, readEnvironment } from "./config.ts";
import { AuthError } from "./domain/errors.ts";
import { MissingMasterKeyError } from "./kms/local.ts";
import { StartError } from "./start-error.ts";

const COMMANDS = new Map<string, Command>(
  Object.entries({
    migrate,
    "create-admin": createAdmin,
    "grant-role": grantRole,
    "revoke-role": takeRole,
    "import-users": importUsers,
    seed,
    "rotate-keys": rotateKeys,
    "rotate-kms-key": rotateKmsKey,
    rewrap,
    "create-service-account": createServiceAccount,
    "disable-service-account": disableServiceAccount,
    "list-service-accounts": listServiceAccounts,
    unlock,
    "audit verify": auditVerify,
    "audit archive": auditArchive,
  }),
);

function help(): string {
  const commands = [...COMMANDS.values()].map(({ usage, help }) => `  ${usage}\n      ${help}`);
  return `Usage: npm run cli -- COMMAND [OPTIONS]\n\n${commands.join("\n\n")}\n\nThe environment and .env say which stores and keys: see .env.example.`;
}

/** A command's name has one word or two. */
function splitName([first, second, ...rest]: string[]): { name: string | undefined; args: string[] } {
  const both = `${first} ${second}`;
  if (COMMANDS.has(both)) return { name: both, args: rest };
  return { name: first, args: second === undefined ? [] : [second, ...rest] };
}

function suggest(name: string): string {
  const alike = [...COMMANDS.keys()].filter((command) => command.split(" ")[0] === name);
  if (alike.length > 0) return `There are: ${alike.join(", ")}.`;
  return "npm run cli -- --help lists them.";
}

async function main(words: string[]): Promise<void> {
  const { name, args } = splitName(words);
  const command = name === undefined ? undefined : COMMANDS.get(name);
  if (name === undefined || name === "--help" || name === "help") {
    console.log(help());
  } else if (command === undefined) {
    throw new UsageError(`${words.join(" ")} is no command. ${suggest(name)}`);
  } else if (args.includes("--help")) {
    console.log(`Usage: npm run cli -- ${command.usage}\n\n      ${command.help}`);
  } else {
    await command.run(readEnvironment(), args).catch((error: unknown) => {
      throw isAboutArguments(error)
        ? new UsageError(`${error.message}\n\nUsage: npm run cli -- ${command.usage}`)
        : error;
    });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isPlain =
    [UsageError, ConfigError, StartError, MissingMasterKeyError].some((kind) => error instanceof kind) ||
    hasWords(error);
  console.error(isPlain ? (error as Error).message : error);
  process.exitCode = 1;
}

function isAboutArguments(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
}

/** A refusal that says what to do. */
function hasWords(error: unknown): boolean {
  return error instanceof AuthError && error.publicMessage !== undefined;
}
