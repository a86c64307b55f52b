/**
 * The bytes of base64url text without padding (RFC 4648 section 5), or undefined unless the text is their one canonical
 * form: white space, padding and stray trailing bits would let one token have many spellings.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
