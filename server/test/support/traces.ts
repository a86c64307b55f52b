/** The ways in which a secret may be written down: as it is, in base64 wherever it stands in a longer text, in hexadecimal. */
export function tracesOf(secret: string | Buffer): string[] {
  const bytes = Buffer.from(secret);
  const shifted = [0, 1, 2].map((before) => base64Inside(bytes, before));
  const base64 = shifted.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]);
  const hex = bytes.toString("hex");
  const asText = typeof secret === "string" ? [secret, encodeURIComponent(secret)] : [];
  return [...new Set([...asText, ...base64, hex, hex.toUpperCase()])];
}

/** What is sure of the base64 of bytes that so many others stand before, and any after. */
function base64Inside(bytes: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes])
    .toString("base64")
    .replace(/=+$/, "");
  return text.slice(before === 0 ? 0 : before + 1, -1);
}
