import { AuthError } from "../domain/errors.ts";

const MAX_DEPTH = 32;
/** Far more than any message here has. A body of small members costs fifty times what one of the same length in one string does. */
const MAX_MEMBERS = 1_000;
/** Every name by which a message may call its envelope, and the one that the parser of messages knows. */
const ENVELOPE_MEMBERS = new Map([
  ["__front_enc__", "__front_enc__"],
  ["front_enc", "__front_enc__"],
  ["frontEnc", "__front_enc__"],
  ["__session_enc__", "__session_enc__"],
  ["session_enc", "__session_enc__"],
  ["sessionEnc", "__session_enc__"],
]);

/**
 * Parses the JSON of a request, in clear or out of an envelope: strict UTF-8 without a byte order mark, at most 32 levels deep
 * and 1,000 members or items large, no member named twice (which is two things to two parsers), and, of a message that may be sealed, nothing beside an envelope.
 * @throws AuthError `invalid_request` for anything else.
 */
export function parseJsonText(bytes: Uint8Array, { sealable }: { sealable: boolean }): unknown {
  const text = decodeUtf8(bytes);
  const members = countNames(text);
  const json = parse(text);
  if (countMembers(json) !== members) throw new AuthError("invalid_request");
  return sealable && isObject(json) ? withPlainEnvelope(json) : json;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new AuthError("invalid_request");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AuthError("invalid_request");
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** How many members the text of valid JSON names, one a colon. It ends at the bounds, before a parser spends its time. */
function countNames(text: string): number {
  let depth = 0;
  let names = 0;
  let items = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter === QUOTE) i = endOfString(text, i);
    else if (letter === COLON) names++;
    else if (letter === COMMA) items++;
    else if (letter === OPEN_BRACKET || letter === OPEN_BRACE) depth++;
    else if (letter === CLOSE_BRACKET || letter === CLOSE_BRACE) depth--;
    if (depth > MAX_DEPTH || names > MAX_MEMBERS || items > MAX_MEMBERS) throw new AuthError("invalid_request");
  }
  return names;
}

/** Where the string ends that begins here: at the first quote behind an even number of backslashes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
  }
  return text.length;
}

/** How many members were left by a parser that keeps the last of a name. */
function countMembers(json: unknown): number {
  if (typeof json !== "object" || json === null) return 0;
  const values: unknown[] = Object.values(json);
  const own = Array.isArray(json) ? 0 : values.length;
  return values.reduce<number>((count, value) => count + countMembers(value), own);
}

function isObject(json: unknown): json is object {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function withPlainEnvelope(json: object): object {
  const envelope = Object.entries(json).find(([name]) => ENVELOPE_MEMBERS.has(name));
  if (envelope === undefined) return json;
  const [name, value] = envelope;
  if (Object.keys(json).length > 1 || !isObject(value)) {
    throw new AuthError("invalid_request", {
      message: "An envelope travels alone, as an object: send nothing beside it.",
    });
  }
  return { [ENVELOPE_MEMBERS.get(name) ?? name]: value };
}
