import { parseArgs } from "node:util";
import { AuthError } from "../domain/errors.ts";
import { parseIdentifier } from "../domain/identifier.ts";
import { assignRole, revokeRole } from "../service/assign-role.ts";
import { AT_COMMAND_LINE, createAdmin as create } from "../service/create-admin.ts";
import type { CreateUserDeps } from "../service/create-user.ts";
import { withAdministration } from "./administration.ts";
import { type Command, UsageError } from "./command.ts";
import { readPassword } from "./read-password.ts";

export const createAdmin: Command = {
  usage: "create-admin --email EMAIL --username NAME [--password-file FILE] [--first | --if-none]",
  help: [
    "Create a user who holds the role admin. The password is read from FILE, or from standard input, or asked for; it is never an",
    "argument. With --first, fail when there is an administrator already; with --if-none, do nothing then, and succeed: for start",
    "scripts, of which several may run at once. Prints the id of the user.",
  ].join("\n      "),
  async run(environment, args) {
    const { values } = parseArgs({
      args,
      options: {
        email: { type: "string" },
        username: { type: "string" },
        "password-file": { type: "string" },
        first: { type: "boolean", default: false },
        "if-none": { type: "boolean", default: false },
      },
    });
    const { email, username, first, "if-none": ifNone } = values;
    if (email === undefined || username === undefined) throw new UsageError("Give --email and --username.");
    if (first && ifNone) throw new UsageError("Give --first or --if-none, not both.");
    const password = await readPassword(values["password-file"]);
    const input = { email, username, password, onlyFirst: first || ifNone };
    try {
      console.log(await withAdministration(environment, (deps) => create(deps, input)));
    } catch (error) {
      if (!ifNone || !(error instanceof AuthError) || error.reason !== "conflict") throw error;
      console.log(error.message);
    }
  },
};

export const grantRole: Command = {
  usage: "grant-role USER ROLE",
  help: [
    "Give a role to a user, who is named by email or username. What the access tokens of the user say ends within a second, and a",
    "refresh brings what is so.",
  ].join("\n      "),
  async run(environment, args) {
    const [name, role] = readPair(args);
    await withAdministration(environment, async (deps) =>
      assignRole(deps, AT_COMMAND_LINE, { userId: await findUserId(deps, name), role }),
    );
    console.log(`${name} holds the role ${role}.`);
  },
};

export const takeRole: Command = {
  usage: "revoke-role USER ROLE",
  help: "Take a role from a user, who is named by email or username. The last administrator keeps the role admin.",
  async run(environment, args) {
    const [name, role] = readPair(args);
    await withAdministration(environment, async (deps) =>
      revokeRole(deps, AT_COMMAND_LINE, { userId: await findUserId(deps, name), role }),
    );
    console.log(`The role ${role} is no longer assigned to ${name}.`);
  },
};

function readPair(args: string[]): [string, string] {
  const [user, role, ...more] = parseArgs({ args, allowPositionals: true }).positionals;
  if (user === undefined || role === undefined || more.length > 0) throw new UsageError("Give a user and a role.");
  return [user, role];
}

async function findUserId(deps: CreateUserDeps, name: string): Promise<string> {
  const id = await deps.administration.findUserId(parseIdentifier(name)?.key ?? "");
  if (id === undefined) throw new UsageError(`There is no user ${name}.`);
  return id;
}
