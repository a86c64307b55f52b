import { AuthError } from "../domain/errors.ts";

const MAX_DEPTH = 32;
const ENVELOPE_MEMBERS = ["__front_enc__", "__session_enc__", "front_enc", "session_enc", "frontEnc", "sessionEnc"];

/**
 * Parses the JSON of a request, in clear or out of an envelope: strict UTF-8 without a byte order mark, at most 32 levels deep,
 * no member named twice (which is two things to two parsers), and nothing beside an envelope.
 * @throws AuthError `invalid_request` for anything else.
 */
export function parseJsonText(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  const { depth, members } = measure(text);
  if (depth > MAX_DEPTH) throw new AuthError("invalid_request");
  const json = parse(text);
  if (countMembers(json) !== members) throw new AuthError("invalid_request");
  if (isObject(json)) refuseCompanyOfEnvelope(json);
  return json;
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

/** How deep the text of valid JSON goes, up to one more than is allowed, and how many members its objects have: one a colon. */
function measure(text: string): { depth: number; members: number } {
  let deepest = 0;
  let depth = 0;
  let members = 0;
  let inString = false;
  for (let i = 0; i < text.length && deepest <= MAX_DEPTH; i++) {
    const letter = text[i];
    if (inString) {
      if (letter === "\\") i++;
      else if (letter === '"') inString = false;
    } else if (letter === '"') inString = true;
    else if (letter === ":") members++;
    else if (letter === "{" || letter === "[") deepest = Math.max(deepest, ++depth);
    else if (letter === "}" || letter === "]") depth--;
  }
  return { depth: deepest, members };
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

function refuseCompanyOfEnvelope(json: object): void {
  const envelope = Object.entries(json).find(([name]) => ENVELOPE_MEMBERS.includes(name));
  if (envelope === undefined) return;
  if (Object.keys(json).length > 1 || !isObject(envelope[1])) {
    throw new AuthError("invalid_request", {
      message: "An envelope travels alone, as an object: send nothing beside it.",
    });
  }
}
