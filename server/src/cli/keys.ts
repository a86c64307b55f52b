import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { openKeyFolderForCli } from "../crypto/key-store.ts";
import { keySettings } from "../open-keys.ts";
import { rotateKmsKey as rotateMasterKey } from "../open-kms.ts";
import { naming } from "../start-error.ts";
import { type Command, UsageError } from "./command.ts";

export const rotateKeys: Command = {
  usage: "rotate-keys [--retire KID]",
  help: [
    "Make the next keys active, put the active ones into grace, and publish new next ones. Makes the keys where there are",
    "none. Running servers take it up within a second. With --retire, erase one key at once, without grace: for a key that leaked.",
  ].join("\n      "),
  async run({ config }, args) {
    const { values } = parseArgs({ args, options: { retire: { type: "string" } } });
    const keys = await openKeyFolderForCli(keySettings(config), systemClock).catch(naming("KEYS_DIR"));
    if (values.retire === undefined) {
      await keys.rotate();
      console.log(`The keys in ${config.keysDir} were rotated.`);
    } else if (await keys.retire(values.retire)) {
      console.log(`The key ${values.retire} was erased. What it signed or sealed is refused from now on.`);
    } else {
      throw new UsageError(`${config.keysDir} has no key ${values.retire}`);
    }
  },
};

export const rotateKmsKey: Command = {
  usage: "rotate-kms-key",
  help: [
    "Make a new master key of the local KMS, which wraps from now on; those before it stay, to unwrap. Makes the file where there is",
    "none. Running servers take it up within a second. Keys of vault are rotated there.",
  ].join("\n      "),
  async run({ config }) {
    const { provider, localKeyFile, vault } = config.kms;
    if (provider === "vault") {
      throw new UsageError(
        `KMS_PROVIDER is vault: rotate there, with vault write -f ${vault?.transitMount}/keys/${vault?.transitKey}/rotate`,
      );
    }
    await rotateMasterKey(localKeyFile, systemClock);
    console.log(`${localKeyFile} has a new master key.`);
  },
};
