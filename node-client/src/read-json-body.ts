import type { IncomingMessage } from "node:http";
import { AuthError } from "./errors.ts";
import { parseJson } from "./sealed-body.ts";

/** Whether the request brings JSON that nobody has read yet. */
export function hasUnreadJson(request: IncomingMessage): boolean {
  const { "content-type": type = "", "content-length": length, "transfer-encoding": encoding } = request.headers;
  const hasBody = encoding !== undefined || (length !== undefined && length !== "0");
  return hasBody && !request.readableEnded && /^application\/json\s*(;|$)/i.test(type);
}

/**
 * Reads and parses the body, when no middleware did.
 * @throws AuthError `payload_too_large`, `invalid_request` for what is no JSON, or is compressed, or ends too early.
 */
export async function readJsonBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const { "content-encoding": encoding = "identity" } = request.headers;
  if (encoding !== "identity")
    throw new AuthError("invalid_request", { message: "A compressed body is not read here." });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new AuthError("invalid_request", { cause });
  }
  if (length > maxBytes) throw new AuthError("payload_too_large");
  return parseJson(Buffer.concat(chunks));
}
