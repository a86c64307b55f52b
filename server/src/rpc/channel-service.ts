import type { ServiceImpl } from "@connectrpc/connect";
import type { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import { AuthError } from "../domain/errors.ts";
import type { Channels } from "../service/channel-ports.ts";
import { edgeKey } from "./edge.ts";
import { keyMembers } from "./key-members.ts";

export function createChannelService(channels: Pick<Channels, "create">): ServiceImpl<typeof ChannelService> {
  return {
    // In clear there is no key to make a channel of, and through a channel there is none that is fresh.
    async handshake({ keyShare }, context) {
      const { contentKey, binding } = context.values.get(edgeKey);
      if (contentKey === undefined) throw new AuthError("envelope_required", { message: SEALED });
      const { sid, expiresInS, agreed } = await channels.create({
        contentKey,
        keyShare: keyShare && keyMembers(keyShare),
        binding,
      });
      return { sid, expiresIn: expiresInS, ...agreed };
    },
  };
}

const SEALED = "A handshake travels in a stateless envelope: send __front_enc__.";
