import { encodeBase64url } from "./base64url.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import type { Primitives } from "./primitives.ts";

const label = utf8("sello/1 replay");
const replayIdBytes = 16;

/**
 * The name under which a server remembers that it has seen a request: the first 16 bytes of
 * HMAC-SHA256(content key, "sello/1 replay" || jti), base64url.
 *
 * It cannot be told from the envelope without the content key, so nobody who watches or guesses a `jti` can have it
 * marked as seen before its owner's request arrives, and a dump of the store names no request.
 */
export async function replayIdOf(
  { hmacSha256 }: Pick<Primitives, "hmacSha256">,
  contentKey: Bytes,
  jti: Bytes,
): Promise<string> {
  const mac = await hmacSha256(contentKey, concat(label, jti));
  return encodeBase64url(mac.subarray(0, replayIdBytes));
}
