import { AuthError } from "../domain/errors.ts";

/** What each constraint means to a client. */
const CONSTRAINTS: Record<string, () => AuthError> = {
  users_email_key: () => new AuthError("already_exists", { message: "This email has an account already." }),
  users_username_key: () => new AuthError("already_exists", { message: "This username is taken." }),
  roles_pkey: () => new AuthError("already_exists", { message: "There is a role of this name already." }),
  role_parents_not_itself: () => new AuthError("conflict", { message: "A role cannot inherit from itself." }),
  service_accounts_name_key: () =>
    new AuthError("already_exists", { message: "There is a service account of this name already." }),
};

export function constraintError(constraint: string | undefined): AuthError | undefined {
  return constraint === undefined ? undefined : CONSTRAINTS[constraint]?.();
}
