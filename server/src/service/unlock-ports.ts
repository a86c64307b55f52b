import type { Identifier } from "../domain/identifier.ts";
import type { Client } from "./ports.ts";

/** Where an act came from. The command line has no address. */
export type Origin = Omit<Client, "ip"> & { ip: string | null };

export type Unlocks = {
  /** The id of the user of that name. */
  findUser(identifier: Identifier): Promise<string | undefined>;
  /**
   * Forgets the failures and locks of an account and of all its names, with its record, all or nothing. False without such a user.
   * `actorId` is undefined for the operator at the command line.
   */
  unlock(unlocking: { userId: string; actorId: string | undefined; client: Origin; now: Date }): Promise<boolean>;
};
