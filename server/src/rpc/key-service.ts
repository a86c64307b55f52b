import type { ServiceImpl } from "@connectrpc/connect";
import type { KeyService } from "@sello/gen/auth/v1/key_service_pb";

/** What the key service needs: the keys of this moment. */
export type KeyPublisher = { published(): { keys: PublishedKey[]; etag: string } };
type PublishedKey = { kty: string; use: string; kid: string; alg: string } & Partial<
  Record<"crv" | "x" | "y" | "n" | "e", string>
>;

export function createKeyService(keys: KeyPublisher): ServiceImpl<typeof KeyService> {
  return {
    getJwks(_request, context) {
      const published = keys.published();
      context.responseHeader.set("ETag", published.etag);
      context.responseHeader.set("Cache-Control", "public, max-age=300");
      return { keys: published.keys };
    },
  };
}
