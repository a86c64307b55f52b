import { type Command, withStores } from "./command.ts";

export const migrate: Command = {
  usage: "migrate",
  help: "Bring the schema to the newest migration. Servers do it at their start, too.",
  async run(environment) {
    await withStores(environment, async () => undefined);
    console.log("The schema is at its newest migration.");
  },
};
