import { parseArgs } from "node:util";
import { grantServerRights } from "../postgres/server-role.ts";
import { naming } from "../start-error.ts";
import { type Command, withStores } from "./command.ts";

export const migrate: Command = {
  usage: "migrate [--server-role ROLE]",
  help: [
    "Bring the schema to the newest migration. Servers do it at their start, too, where their database user may. With --server-role,",
    "also give ROLE the rights that a server needs and no more, for a DATABASE_URL of servers that cannot change the audit trail: run",
    "it with the DATABASE_URL of the tables' owner. The role sello_app has them already where that owner may create roles.",
  ].join("\n      "),
  async run(environment, args) {
    const { values } = parseArgs({ args, options: { "server-role": { type: "string" } } });
    const role = values["server-role"];
    await withStores(environment, async ({ database }) => {
      if (role !== undefined) await grantServerRights(database, role).catch(naming("--server-role"));
    });
    console.log("The schema is at its newest migration.");
    if (role !== undefined) console.log(`${role} has the rights of a server.`);
  },
};
