import { AuthError } from "../domain/errors.ts";
import { type HttpRequest, headerOf } from "./messages.ts";

/**
 * Reads a whole body of at most `limit` bytes.
 * @throws AuthError `payload_too_large`, without reading on; `invalid_request` when the client goes away half-way.
 */
export function readBody(request: HttpRequest, limit: number): Promise<Buffer> {
  const announced = Number(headerOf(request, "content-length"));
  if (announced > limit) return Promise.reject(new AuthError("payload_too_large"));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > limit) {
        request.off("data", onData);
        request.pause();
        reject(new AuthError("payload_too_large"));
      } else chunks.push(chunk);
    };
    request.on("data", onData);
    const onLost = () => reject(new AuthError("invalid_request"));
    request.once("end", () => {
      request.off("close", onLost);
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    request.once("error", onLost);
    request.once("close", onLost);
  });
}
