import { createRequire } from "node:module";

/**
 * Whether a password is a common one in disguise: the bundled list (zxcvbn's, 49,000 entries from leaks) holds it, or holds
 * what is left of it without digits and marks at its ends, or holds the part that it repeats.
 */
export type CommonPasswords = { has(password: string): boolean };

const MIN_CORE_LENGTH = 4;

/** Reads the list when the first password is looked at: a server at rest does without its megabytes. */
export function createCommonPasswords(): CommonPasswords {
  let list: Set<string> | undefined;
  return {
    has(password) {
      list ??= readList();
      const known = list;
      return cores(password.toLowerCase()).some((core) => known.has(core));
    },
  };
}

function readList(): Set<string> {
  const { dictionary } = createRequire(import.meta.url)("@zxcvbn-ts/language-common") as {
    dictionary: Record<string, string[]>;
  };
  const passwords = dictionary["passwords-common"];
  if (passwords === undefined) throw new Error("the bundled list of common passwords is missing");
  return new Set(passwords);
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
