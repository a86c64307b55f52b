import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { FrontAnswer, FrontEnvelope } from "@sello/envelope";
import { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import type { Fetch } from "./network.ts";

/** Sends a handshake's envelope as it is. It is nobody's call: it has the deadline of one, and no signal. */
export function createHandshake(options: { baseUrl: string; fetch: Fetch; timeoutMs: number }) {
  const { baseUrl, timeoutMs } = options;
  const transport = createConnectTransport({ baseUrl, fetch: options.fetch as typeof globalThis.fetch });
  const client = createClient(ChannelService, transport);
  return async (envelope: FrontEnvelope): Promise<FrontAnswer> => {
    const { frontEnc } = await client.handshake({ frontEnc: envelope }, { timeoutMs });
    // What is missing or wrong in it is found when it is opened.
    return frontEnc as unknown as FrontAnswer;
  };
}
