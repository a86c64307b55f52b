import { AuthError } from "../domain/errors.ts";

const MAX_DEPTH = 32;
/** A member named twice is two things to two parsers; of an envelope there may be one. */
const ENVELOPE_MEMBER = /"(?:__front_enc__|__session_enc__|front_enc|session_enc)"\s*:/g;

/** Parses a JSON body. @throws AuthError `invalid_request` for what is not UTF-8, not JSON, nested too deep, or ambiguous. */
export function parseJsonText(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  if (isDeeperThan(text, MAX_DEPTH) || (text.match(ENVELOPE_MEMBER)?.length ?? 0) > 1) {
    throw new AuthError("invalid_request");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new AuthError("invalid_request");
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new AuthError("invalid_request");
  }
}

const QUOTE = 34;
const BACKSLASH = 92;

function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === BACKSLASH) i++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === 123 || code === 91) {
      if (++depth > limit) return true;
    } else if (code === 125 || code === 93) depth--;
  }
  return false;
}
