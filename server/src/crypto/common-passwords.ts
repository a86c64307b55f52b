/**
 * Whether a password is a common one in disguise: the bundled list (zxcvbn's, 49,000 entries from leaks) holds it, or holds
 * what is left of it without digits and marks at its ends, or holds the part that it repeats.
 */
export type CommonPasswords = { has(password: string): boolean };

const MIN_CORE_LENGTH = 4;

export async function loadCommonPasswords(): Promise<CommonPasswords> {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  const list = new Set<string>(dictionary["passwords-common"] ?? []);
  return {
    has(password) {
      const folded = password.toLowerCase();
      return cores(folded).some((core) => list.has(core));
    },
  };
}

/** What is left of a password without its disguise, where that is at least half of it. */
function cores(password: string): string[] {
  const leet = password.replaceAll(/[@4]/g, "a").replaceAll("3", "e").replaceAll(/[1!]/g, "i").replaceAll("0", "o");
  const spellings = [password, leet.replaceAll(/[$5]/g, "s")];
  const trimmed = spellings
    .map((text) => text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, ""))
    .filter((core) => core.length >= MIN_CORE_LENGTH && core.length * 2 >= password.length);
  return [...spellings, ...trimmed].flatMap((text) => [text, repeatedPart(text)]);
}

/** `abcabcabc` is `abc`. */
function repeatedPart(text: string): string {
  return text.slice(0, (text + text).indexOf(text, 1));
}
