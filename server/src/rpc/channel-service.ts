import type { ServiceImpl } from "@connectrpc/connect";
import type { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import type { EphemeralKey } from "@sello/gen/envelope/v1/envelope_pb";
import { AuthError } from "../domain/errors.ts";
import { edgeKey } from "./edge.ts";

export type OpenNewChannel = (handshake: {
  contentKey: Uint8Array;
  keyShare: object | undefined;
  binding: string;
}) => Promise<{
  sid: string;
  expiresInS: number;
  agreed: { keyShare: { kty: string; crv: string; x: string; y?: string }; proof: string } | undefined;
}>;

export function createChannelService(openNewChannel: OpenNewChannel): ServiceImpl<typeof ChannelService> {
  return {
    // In clear there is no key to make a channel of, and through a channel there is none that is fresh.
    async handshake({ keyShare }, context) {
      const { contentKey, binding } = context.values.get(edgeKey);
      if (contentKey === undefined) throw new AuthError("envelope_required", { message: SEALED });
      const { sid, expiresInS, agreed } = await openNewChannel({
        contentKey,
        keyShare: keyShare && membersOf(keyShare),
        binding,
      });
      return { sid, expiresIn: expiresInS, ...agreed };
    },
  };
}

const SEALED = "A handshake travels in a stateless envelope: send __front_enc__.";

function membersOf(key: EphemeralKey): object {
  const { $typeName: _type, $unknown: _unknown, ...members } = key;
  return members;
}
