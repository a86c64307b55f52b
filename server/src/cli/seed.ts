import { DEMO_USER } from "../demo.ts";
import { isLoopback } from "../domain/address.ts";
import { AuthError } from "../domain/errors.ts";
import { assignRole } from "../service/assign-role.ts";
import { AT_COMMAND_LINE } from "../service/create-admin.ts";
import { type CreateUserDeps, createUser } from "../service/create-user.ts";
import { createRole } from "../service/write-role.ts";
import { withAdministration } from "./administration.ts";
import { type Command, UsageError } from "./command.ts";

const ROLES = [
  { name: "reader", description: "Reads articles.", permissions: ["articles:read"], parents: [] },
  { name: "editor", description: "Writes articles.", permissions: ["articles:write"], parents: ["reader"] },
  { name: "support", description: "Looks after accounts.", permissions: ["users:read", "users:write"], parents: [] },
];

/** By username, with the role of each. All have the password of the demo user, which everybody knows. */
const USERS = { ada: "admin", grace: "editor", alan: "reader", edsger: "support", demo: undefined };

export const seed: Command = {
  usage: "seed",
  help: [
    `Fill a development database: the roles reader, editor and support, and the users ${Object.keys(USERS).join(", ")}, of whom ada is an`,
    `administrator. All have the password "${DEMO_USER.password}", so it works only where APP_ENV is development and HOST is this`,
    "machine's own. What is there already is left alone.",
  ].join("\n      "),
  async run(environment) {
    const { config } = environment;
    if (config.environment !== "development" || !isLoopback(config.host)) {
      throw new UsageError("seed needs APP_ENV=development and a HOST that nobody but this machine reaches.");
    }
    const made = await withAdministration(environment, fill);
    console.log(`Made ${made}. Everybody's password is "${DEMO_USER.password}".`);
  },
};

async function fill(deps: CreateUserDeps): Promise<string> {
  let roles = 0;
  for (const role of ROLES) roles += await unlessThere(() => createRole(deps, AT_COMMAND_LINE, role));
  let users = 0;
  for (const [username, role] of Object.entries(USERS)) {
    users += await unlessThere(async () => {
      const input = { email: `${username}@example.com`, username, password: DEMO_USER.password };
      const user = await createUser(deps, AT_COMMAND_LINE, { ...input, passwordHash: "", dataPublic: {} });
      if (role !== undefined) await assignRole(deps, AT_COMMAND_LINE, { userId: user.id, role });
    });
  }
  return `${roles} roles and ${users} users`;
}

/** 1 for what was made, 0 for what was there. */
async function unlessThere(make: () => Promise<unknown>): Promise<number> {
  try {
    await make();
    return 1;
  } catch (error) {
    if (error instanceof AuthError && error.reason === "already_exists") return 0;
    throw error;
  }
}
