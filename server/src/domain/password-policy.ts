/** The longest password, in code points after NFKC: longer ones are refused before anything is hashed. */
export const PASSWORD_MAX_LENGTH = 128;

/** No text of so many code points is longer; what is, need not be normalized to be known as too long. */
const MAX_CODE_UNITS = PASSWORD_MAX_LENGTH * 4;

export type PasswordContext = { username: string; email: string };
export type PasswordPolicy = { minLength: number; isCommon(password: string): boolean };

/** The form in which passwords are measured and hashed: composed and decomposed forms are one password. */
export function normalizePassword(password: string): string {
  return password.normalize("NFKC");
}

/** Whether a password can be looked at at all: well-formed, without NUL, not over the limit, not empty. */
export function isReadablePassword(password: string): boolean {
  if (password.length === 0 || password.length > MAX_CODE_UNITS) return false;
  if (!password.isWellFormed() || password.includes("\0")) return false;
  return codePoints(normalizePassword(password)) <= PASSWORD_MAX_LENGTH;
}

/** What keeps a text from being a password at all, however it is judged; undefined when nothing does. */
export function passwordProblem(password: string): string | undefined {
  if (password === "") return "is required";
  return password.isWellFormed() && !password.includes("\0") ? undefined : "must be text without NUL";
}

/** Why a new password is refused, or undefined when it is good. */
export function passwordWeakness(
  policy: PasswordPolicy,
  password: string,
  context: PasswordContext,
): string | undefined {
  const normal = normalizePassword(password.slice(0, MAX_CODE_UNITS + 1));
  const length = password.length > MAX_CODE_UNITS ? Number.POSITIVE_INFINITY : codePoints(normal);
  if (length < policy.minLength) return `The password must have at least ${policy.minLength} characters.`;
  if (length > PASSWORD_MAX_LENGTH) return `The password must have at most ${PASSWORD_MAX_LENGTH} characters.`;
  const folded = normal.toLowerCase();
  if (holds(folded, context.username)) return "The password must not contain the username.";
  if (holds(folded, context.email.slice(0, context.email.lastIndexOf("@")))) {
    return "The password must not contain the email's name.";
  }
  if (isMonotonous(folded) || policy.isCommon(folded)) return "The password is too common. Choose another.";
  return undefined;
}

/** A name of one or two letters is in too many passwords to say anything. */
function holds(password: string, name: string): boolean {
  return name.length >= 3 && password.includes(name.toLowerCase());
}

/** Fewer than five different characters, or one run along the alphabet or the digits. */
function isMonotonous(password: string): boolean {
  if (new Set(password).size < 5) return true;
  const steps = new Set<number>();
  for (let i = 1; i < password.length; i++) steps.add(password.charCodeAt(i) - password.charCodeAt(i - 1));
  return steps.size === 1;
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
