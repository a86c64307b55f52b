import { AuthError } from "./errors.ts";

export type Problems = { field: string; problem: string }[];

/** @throws AuthError `validation_failed` that names every field, when there is a problem. */
export function refuseProblems(problems: Problems): void {
  if (problems.length === 0) return;
  const message = problems.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
  throw new AuthError("validation_failed", { message });
}
