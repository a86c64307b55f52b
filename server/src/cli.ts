import { parseArgs } from "node:util";
import { keySettings } from "./app.ts";
import { systemClock } from "./clock.ts";
import { type Config, ConfigError, readEnvironment, type Secrets } from "./config.ts";
import { openKeyFolderForCli } from "./crypto/key-store.ts";
import { openStores } from "./stores.ts";
import { createLog } from "./telemetry/log.ts";

type Command = { usage: string; help: string; run(environment: Environment, args: string[]): Promise<void> };
type Environment = { config: Config; secrets: Secrets };

const COMMANDS: Record<string, Command> = {
  migrate: {
    usage: "migrate",
    help: "Bring the schema to the newest migration. Servers do it at their start, too.",
    async run({ config, secrets }) {
      const log = createLog("warn");
      const stores = await openStores({ config, secrets, clock: systemClock, log, redisKeyPrefix: "sello:" });
      await stores[Symbol.asyncDispose]();
      console.log("The schema is at its newest migration.");
    },
  },

  "rotate-keys": {
    usage: "rotate-keys [--retire KID]",
    help: [
      "Make the next keys active, put the active ones into grace, and publish new next ones. Makes the keys where there are",
      "none. Running servers take it up within a second. With --retire, erase one key at once, without grace: for a key that leaked.",
    ].join("\n      "),
    async run({ config }, args) {
      const { values } = parseArgs({ args, options: { retire: { type: "string" } } });
      const keys = await openKeyFolderForCli(keySettings(config), systemClock);
      if (values.retire === undefined) {
        await keys.rotate();
        console.log(`The keys in ${config.keysDir} were rotated.`);
      } else if (await keys.retire(values.retire)) {
        console.log(`The key ${values.retire} was erased. What it signed or sealed is refused from now on.`);
      } else {
        throw new UsageError(`${config.keysDir} has no key ${values.retire}`);
      }
    },
  },
};

class UsageError extends Error {}

function help(): string {
  const commands = Object.values(COMMANDS).map(({ usage, help }) => `  ${usage}\n      ${help}`);
  return `Usage: npm run cli -- COMMAND [OPTIONS]\n\n${commands.join("\n\n")}\n\nThe environment and .env say which stores and keys: see .env.example.`;
}

async function main([name, ...args]: string[]): Promise<void> {
  const command = name === undefined ? undefined : COMMANDS[name];
  if (name === undefined || name === "--help" || name === "help") {
    console.log(help());
  } else if (command === undefined) {
    throw new UsageError(`${name} is no command.\n\n${help()}`);
  } else {
    await command.run(readEnvironment(), args);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const isPlain = error instanceof UsageError || error instanceof ConfigError || error instanceof TypeError;
  console.error(isPlain ? error.message : error);
  process.exitCode = 1;
}
