import { canonicalEmail } from "./email.ts";
import { parseUsername, usernameKey } from "./username.ts";

/** What a person types to say who they are. A username never holds an `@`, so the two kinds cannot meet. */
export type Identifier = { kind: "email" | "username" | "nobody"; key: string };

const MAX_LENGTH = 320;

/**
 * The canonical form of an email or a username. A text that can be neither is `nobody`: it names no user, and is treated
 * like any unknown one, so that an answer does not depend on it. Undefined when it is empty or over 320 characters.
 */
export function parseIdentifier(text: string): Identifier | undefined {
  if (text.length === 0 || text.length > MAX_LENGTH) return undefined;
  const email = text.normalize("NFKC").includes("@") ? canonicalEmail(text) : undefined;
  if (email !== undefined) return { kind: "email", key: email };
  const username = parseUsername(text.trim());
  if (username !== undefined) return { kind: "username", key: usernameKey(username) };
  return { kind: "nobody", key: text.toWellFormed().replaceAll("\0", "\ufffd").normalize("NFKC").toLowerCase() };
}
