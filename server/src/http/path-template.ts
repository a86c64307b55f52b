import { AuthError } from "../domain/errors.ts";

/** A path of `google.api.http`: literal segments and variables of one segment, and perhaps a verb behind a colon at its end. */
export type Template = {
  /** The fields that its variables name, in order. */
  names: string[];
  /** What a path is matched against: each variable is a group. */
  pattern: RegExp;
};

const SEGMENT = String.raw`(?:[a-z0-9._-]+|\{[a-z][a-z0-9_]*\})`;
const TEMPLATE = new RegExp(`^(?:/${SEGMENT})+(?::[a-z][a-zA-Z]*)?$`);
const VARIABLE = /\{([a-z][a-z0-9_]*)\}/g;

/** Undefined for what is beyond that: wildcards, several segments in one variable. */
export function parseTemplate(path: string): Template | undefined {
  if (!TEMPLATE.test(path)) return undefined;
  const names = [...path.matchAll(VARIABLE)].map((match) => match[1] ?? "");
  if (new Set(names).size !== names.length) return undefined;
  // A variable holds no colon: what is behind one is a verb.
  const source = path.replaceAll(/[.]/g, "\\.").replaceAll(VARIABLE, "([^/:]+)");
  return { names, pattern: new RegExp(`^${source}$`) };
}

/**
 * What the variables of a path hold, by name; undefined for a path of another form. A segment that means another folder is none.
 * @throws AuthError `invalid_request` for what is no percent-encoded UTF-8.
 */
export function matchTemplate({ names, pattern }: Template, path: string): Record<string, string> | undefined {
  const match = pattern.exec(path);
  if (match === null) return undefined;
  const values = match.slice(1).map(decode);
  if (values.some((value) => value === "." || value === "..")) return undefined;
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
}

/** @throws AuthError `invalid_request` */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AuthError("invalid_request", { message: "The address is not percent-encoded UTF-8." });
  }
}
