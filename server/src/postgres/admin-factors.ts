import { type Queryable, run, statement } from "./database.ts";

const REMOVE = statement("remove_factors", "UPDATE users SET mfa_enabled = false WHERE id = $1");

/** Takes every second factor from a user. */
export async function removeFactors(transaction: Queryable, userId: string): Promise<void> {
  await run(transaction, REMOVE, [userId]);
}
