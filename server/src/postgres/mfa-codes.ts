import type { SpentCode } from "../service/mfa-ports.ts";
import { type Queryable, run, statement } from "./database.ts";

/** How many wrong codes a challenge takes. Contract section 9. */
export const MAX_TRIES = 5;

/** SQL of the digest that binds a challenge to the password it was made with. */
export const PASSWORD_SHA256 = "sha256(convert_to(users.password_hash, 'UTF8'))";

/**
 * Common table expressions that use a code up for each `user_id` of `from`; `passed (user_id, method)` has a row where it was good.
 * The updates lock their row, and look at it again when they had to wait: of many that bring one code, one passes.
 */
export function spendCode({ from, now, step, recoveryHash }: Record<"from" | "now" | "step" | "recoveryHash", string>) {
  return `spent_step AS (
    UPDATE mfa_factors AS f SET last_used_step = ${step}::bigint, last_used_at = ${now} FROM ${from} AS whose
    WHERE f.user_id = whose.user_id AND f.kind = 'totp' AND f.confirmed_at IS NOT NULL
      AND (f.last_used_step IS NULL OR f.last_used_step < ${step}::bigint)
    RETURNING f.user_id
  ), spent_recovery AS (
    UPDATE recovery_codes AS r SET used_at = ${now} FROM ${from} AS whose
    WHERE r.user_id = whose.user_id AND r.code_hash = ${recoveryHash}::bytea AND r.used_at IS NULL
    RETURNING r.user_id
  ), passed AS (
    SELECT user_id, 'totp' AS method FROM spent_step UNION ALL SELECT user_id, 'recovery_code' FROM spent_recovery
  )`;
}

/** The parameters of a code in the order `step, recovery hash`. */
export function codeValues(code: SpentCode | undefined): [number | null, Buffer | null] {
  return [code && "step" in code ? code.step : null, code && "recoveryHash" in code ? code.recoveryHash : null];
}

const REMOVE = statement<{ removed: boolean }>(
  "remove_factors",
  `WITH off AS (
    UPDATE users SET mfa_enabled = false WHERE id = $1::uuid AND mfa_enabled RETURNING id
  ), factors AS (
    DELETE FROM mfa_factors WHERE user_id = $1::uuid
  ), codes AS (
    DELETE FROM recovery_codes WHERE user_id = $1::uuid
  )
  SELECT EXISTS (SELECT FROM off) AS removed`,
);

/** Takes every factor and recovery code of a user away; says whether the second factor was on. Who calls writes the event. */
export async function removeFactors(db: Queryable, userId: string): Promise<boolean> {
  return (await run(db, REMOVE, [userId]))[0]?.removed ?? false;
}
