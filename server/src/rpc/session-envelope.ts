import { create } from "@bufbuild/protobuf";
import { type SessionEnc, SessionEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { SESSION_ENVELOPE_FIELD, type SealingKind } from "./sealing.ts";

/** What opens the messages of channels. */
export type OpenChannelMessage = (
  envelope: { sid: string; n: number; iv: string; ct: string },
  binding: string,
) => Promise<{ plaintext: Uint8Array; sealAnswer(plaintext: Uint8Array | string): Promise<object> }>;

/** Stateful envelopes, `__session_enc__`: contract section 8. */
export function sessionEnvelope(open: OpenChannelMessage): SealingKind {
  return {
    field: SESSION_ENVELOPE_FIELD,
    message: SessionEncSchema,
    async open(message, binding) {
      const { sid, n, iv, ct } = message as SessionEnc;
      const opened = await open({ sid, n, iv, ct }, binding);
      return {
        plaintext: opened.plaintext,
        sealAnswer: async (plaintext) => create(SessionEncSchema, await opened.sealAnswer(plaintext)),
      };
    },
  };
}
