import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { createUnlocks } from "../postgres/unlocks.ts";
import { findUserId, unlockUser } from "../service/unlock-user.ts";
import { type Command, UsageError, withStores } from "./command.ts";

/** The operator at the command line is nobody the server knows. */
const OPERATOR = { actorId: undefined, client: { ip: null, userAgent: "cli", requestId: "" } };

export const unlock: Command = {
  usage: "unlock EMAIL|USERNAME|USER_ID",
  help: [
    "Forget the failed logins of an account and of all its names: a user who is locked out may try again at once, and the next lock is",
    "a short one again. Recorded in the audit trail. A limit on calls by address or by account is not touched: it passes in a minute.",
  ].join("\n      "),
  async run(environment, args) {
    const [name, ...more] = parseArgs({ args, allowPositionals: true }).positionals;
    if (name === undefined || more.length > 0)
      throw new UsageError("Give the email, the username or the id of one user.");
    await withStores(environment, async ({ database }) => {
      const deps = { unlocks: createUnlocks(database), clock: systemClock };
      await unlockUser(deps, OPERATOR, await findUserId(deps, name));
    });
    console.log(`${name} may try again.`);
  },
};
