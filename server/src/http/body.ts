import { AuthError } from "../domain/errors.ts";
import type { BodyBudget } from "./body-budget.ts";
import { type HttpRequest, headerOf } from "./messages.ts";

/** Reads request bodies, within a limit each and a budget together. */
export type Bodies = {
  /**
   * A whole body of at most `limit` bytes.
   * @throws AuthError `payload_too_large`, without reading on; `overloaded`; `invalid_request` when the client goes away half-way.
   */
  read(request: HttpRequest, options: { limit: number; ip: string }): Promise<Buffer>;
  /** The same bytes in pieces, each counted until the last was taken. Who takes them keeps the limit. */
  pass(request: HttpRequest, ip: string): AsyncIterable<Uint8Array>;
};

export function createBodies(budget: BodyBudget): Bodies {
  return {
    async read(request, { limit, ip }) {
      if (Number(headerOf(request, "content-length")) > limit) throw new AuthError("payload_too_large");
      const chunks: Buffer[] = [];
      let size = 0;
      const keep = (chunk: Buffer) => {
        if (size + chunk.byteLength > limit) throw new AuthError("payload_too_large");
        budget.take(ip, chunk.byteLength);
        size += chunk.byteLength;
        chunks.push(chunk);
      };
      try {
        await eachChunk(request, keep);
      } finally {
        budget.giveBack(ip, size);
      }
      return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    },

    async *pass(request, ip) {
      let size = 0;
      try {
        // An iterator that is given up must not take the socket with it, on which the answer is still to go out.
        for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          budget.take(ip, chunk.byteLength);
          size += chunk.byteLength;
          yield chunk;
        }
      } finally {
        budget.giveBack(ip, size);
      }
    },
  };
}

/** By events: an iterator takes several turns of the loop for each piece. */
function eachChunk(request: HttpRequest, keep: (chunk: Buffer) => void): Promise<void> {
  // Who left before this, while the call was admitted, sends no event any more.
  if (request.destroyed) return Promise.reject(new AuthError("invalid_request"));
  return new Promise((resolve, reject) => {
    const stop = () => request.off("data", onData).off("end", onEnd).off("error", onLost).off("close", onLost);
    const onData = (chunk: Buffer) => {
      try {
        keep(chunk);
      } catch (error) {
        stop();
        request.pause();
        reject(error);
      }
    };
    const onEnd = () => {
      stop();
      resolve();
    };
    const onLost = () => {
      stop();
      reject(new AuthError("invalid_request"));
    };
    request.on("data", onData).on("end", onEnd).on("error", onLost).on("close", onLost);
  });
}
