import { create } from "@bufbuild/protobuf";
import { type SessionEnc, SessionEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import type { Channels } from "../service/channel-ports.ts";
import { SESSION_ENVELOPE_FIELD, type SealingKind } from "./sealing.ts";

/** Stateful envelopes, `__session_enc__`: contract section 8. */
export function sessionEnvelope(channels: Pick<Channels, "open">): SealingKind {
  return {
    field: SESSION_ENVELOPE_FIELD,
    message: SessionEncSchema,
    async open(message, binding) {
      const { sid, n, iv, ct } = message as SessionEnc;
      const opened = await channels.open({ sid, n, iv, ct }, binding);
      return {
        plaintext: opened.plaintext,
        sealAnswer: async (plaintext) => create(SessionEncSchema, await opened.sealAnswer(plaintext)),
      };
    },
  };
}
