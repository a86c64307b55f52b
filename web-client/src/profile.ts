import { type Client, createClient } from "@connectrpc/connect";
import { ProfileService } from "@sello/gen/auth/v1/profile_service_pb";
import type { AuthClient } from "./client.ts";

/** The user's data in its three classes, with the client's token and envelopes. Every call rejects with an AuthError. */
export function createProfile(client: Pick<AuthClient, "transport">): Client<typeof ProfileService> {
  return createClient(ProfileService, client.transport);
}
