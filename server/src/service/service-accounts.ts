import { isBindingPath } from "../domain/bindings.ts";
import { AuthError } from "../domain/errors.ts";
import { isScope, SCOPES, type Scope } from "../domain/scopes.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { Deps } from "./ports.ts";

export type ServiceAccountDeps = Pick<Deps, "serviceAccounts" | "serviceSecrets" | "clock" | "ids">;
export type NewServiceAccountInput = {
  name: string;
  scopes: string[];
  /** The paths that it may open envelopes for. Default: any. */
  bindings?: string[];
  /** The SHA-256 of the certificate that it must call with. */
  clientCertificate?: Buffer;
};

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const NAME_RULE = "must be 1 to 64 of a to z, digits, `.`, `_` and `-`, and begin with a letter or digit";

/** The secret of a new account, which nobody can look up later. @throws AuthError `validation_failed`, `already_exists`. */
export async function createServiceAccount(deps: ServiceAccountDeps, input: NewServiceAccountInput): Promise<string> {
  refuseBad(input);
  const { secret, hash } = deps.serviceSecrets.create();
  await deps.serviceAccounts.create({
    id: deps.ids.uuid(),
    name: input.name,
    secretHash: hash,
    scopes: [...new Set(input.scopes)].sort() as Scope[],
    bindings: input.bindings && [...new Set(input.bindings)].sort(),
    clientCertificate: input.clientCertificate,
    now: deps.clock.now(),
  });
  return secret;
}

/** From a second later at the latest its secret is refused everywhere. @throws AuthError `not_found`. */
export async function disableServiceAccount(
  deps: Pick<ServiceAccountDeps, "serviceAccounts" | "clock">,
  name: string,
): Promise<void> {
  const found = await deps.serviceAccounts.disable(name, deps.clock.now());
  if (!found)
    throw new AuthError("not_found", { message: `There is no service account ${name} that is not disabled.` });
}

const MAX_BINDINGS = 100;
const BINDINGS_RULE = `must be 1 to ${MAX_BINDINGS} paths such as /orders, without a slash at the end`;

function refuseBad({ name, scopes, bindings }: NewServiceAccountInput): void {
  const problems: Problems = [];
  if (!NAME.test(name)) problems.push({ field: "name", problem: NAME_RULE });
  const unknown = scopes.filter((scope) => !isScope(scope));
  if (scopes.length === 0 || unknown.length > 0) {
    problems.push({ field: "scopes", problem: `must be some of ${SCOPES.join(", ")}` });
  }
  if (bindings !== undefined) {
    const isList = bindings.length > 0 && bindings.length <= MAX_BINDINGS && bindings.every(isBindingPath);
    if (!isList) problems.push({ field: "bindings", problem: BINDINGS_RULE });
    if (!scopes.includes("envelopes:use")) {
      problems.push({ field: "bindings", problem: "restrict the scope envelopes:use, which is not among the scopes" });
    }
  }
  refuseProblems(problems);
}
