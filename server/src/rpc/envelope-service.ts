import type { ServiceImpl } from "@connectrpc/connect";
import { type Primitives, sealAnswerTo, sealChannelAnswer } from "@sello/envelope";
import type { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { coversBinding } from "../domain/bindings.ts";
import { AuthError } from "../domain/errors.ts";
import type { Channels } from "../service/channel-ports.ts";
import type { OpenFront } from "./front-envelope.ts";
import type { SealTickets } from "./seal-tickets.ts";
import { serviceCaller } from "./service-caller.ts";

export type EnvelopeServiceDeps = {
  openFront: OpenFront;
  channels: Pick<Channels, "open">;
  tickets: SealTickets;
  primitives: Primitives;
  /** Whether this server answers at that path itself: what is sealed for it is nobody else's to open. */
  isOwn(binding: string): boolean;
};

export function createEnvelopeService(deps: EnvelopeServiceDeps): ServiceImpl<typeof EnvelopeService> {
  const { openFront, channels, tickets, primitives, isOwn } = deps;
  return {
    async open({ envelope, binding }, context) {
      if (!BINDING.test(binding)) throw new AuthError("validation_failed", { message: BINDING_RULE });
      if (isOwn(binding)) throw new AuthError("forbidden", { message: OWN });
      const { id: holder, bindings } = serviceCaller(context);
      // Said in plain words: it depends on nothing but what the account itself sends.
      if (bindings !== undefined && !coversBinding(bindings, binding))
        throw new AuthError("forbidden", { message: OTHERS });
      if (envelope.case === "frontEnc") {
        const { plaintext, contentKey, jti } = await openFront(envelope.value, binding);
        const ticket = {
          kind: "front",
          contentKey: toText(contentKey),
          binding,
          ...(jti !== undefined && { jti }),
        } as const;
        return { payload: plaintext, sealTicket: await tickets.issue(ticket, holder) };
      }
      if (envelope.case === "sessionEnc") {
        const { sid, n, plaintext, answerKey } = await channels.open(envelope.value, binding);
        const ticket = { kind: "session", answerKey: toText(answerKey), sid, n, binding } as const;
        return { payload: plaintext, sealTicket: await tickets.issue(ticket, holder) };
      }
      throw new AuthError("validation_failed", { message: "envelope: send front_enc or session_enc." });
    },

    async seal({ sealTicket, payload }, context) {
      if (payload.length === 0) throw new AuthError("validation_failed", { message: "payload: must not be empty." });
      const ticket = await tickets.read(sealTicket, serviceCaller(context).id);
      if (ticket.kind === "session") {
        const about = { ...ticket, answerKey: toBytes(ticket.answerKey) };
        return { envelope: { case: "sessionEnc", value: await sealChannelAnswer(about, payload, primitives) } };
      }
      const about = { contentKey: toBytes(ticket.contentKey), binding: ticket.binding, jti: ticket.jti };
      return { envelope: { case: "frontEnc", value: await sealAnswerTo(about, payload, primitives) } };
    },
  };
}

/** A path, as the contract binds envelopes to. */
const BINDING = /^\/[^\s?#]{0,1023}$/;
const OWN = "This server's own calls are not for others to open.";
const OTHERS = "This service account may not open what is sealed for this path.";
const BINDING_RULE = "binding: must be the path the envelope arrived at, without the query.";

function toText(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url");
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}
