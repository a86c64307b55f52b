/** ASCII alone, so that no two usernames look alike. */
const USERNAME = /^[A-Za-z0-9][A-Za-z0-9._-]{2,31}$/;

export const USERNAME_RULE =
  "must be 3 to 32 ASCII letters, digits, dots, hyphens or underscores, beginning with a letter or a digit";

/** The username after NFKC, as it is shown; undefined when it breaks `USERNAME_RULE`. */
export function parseUsername(text: string): string | undefined {
  if (text.length > 64 || !text.isWellFormed()) return undefined;
  const username = text.normalize("NFKC");
  return USERNAME.test(username) ? username : undefined;
}

/** The form under which a username is unique. */
export function usernameKey(username: string): string {
  return username.toLowerCase();
}
