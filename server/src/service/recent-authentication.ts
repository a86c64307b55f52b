import { AuthError } from "../domain/errors.ts";
import type { Bearer, Deps } from "./ports.ts";

export type RecentAuthenticationDeps = Pick<Deps, "clock" | "settings">;

/** @throws AuthError `reauthentication_required` when the user last proved who it is longer ago than the settings allow. */
export function requireRecentAuthentication(deps: RecentAuthenticationDeps, bearer: Bearer): void {
  const ageMs = deps.clock.now().getTime() - bearer.authenticatedAt.getTime();
  const maxAgeS = deps.settings.reauthenticationMaxAgeS;
  if (ageMs > maxAgeS * 1000) throw new AuthError("reauthentication_required", { maxAgeS });
}
