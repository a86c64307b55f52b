import type { ServiceImpl } from "@connectrpc/connect";
import { sealAnswerTo } from "@sello/envelope";
import type { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { coversBinding } from "../domain/bindings.ts";
import { AuthError } from "../domain/errors.ts";
import type { Channels } from "../service/channel-ports.ts";
import type { OpenFront } from "./front-envelope.ts";
import type { SealTickets } from "./seal-tickets.ts";
import { serviceCaller } from "./service-caller.ts";

export type EnvelopeServiceDeps = {
  openFront: OpenFront;
  channels: Pick<Channels, "open" | "sealAnswerTo">;
  tickets: SealTickets;
  /** Whether this server answers at that path itself: what is sealed for it is nobody else's to open. */
  isOwn(binding: string): boolean;
};

export function createEnvelopeService(deps: EnvelopeServiceDeps): ServiceImpl<typeof EnvelopeService> {
  const { openFront, channels, tickets, isOwn } = deps;
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
        const key = Buffer.from(contentKey).toString("base64url");
        const ticket = { kind: "front", contentKey: key, binding, ...(jti !== undefined && { jti }) } as const;
        return { payload: plaintext, sealTicket: await tickets.issue(ticket, holder) };
      }
      if (envelope.case === "sessionEnc") {
        const { sid, n, plaintext } = await channels.open(envelope.value, binding);
        return { payload: plaintext, sealTicket: await tickets.issue({ kind: "session", sid, n, binding }, holder) };
      }
      throw new AuthError("validation_failed", { message: "envelope: send front_enc or session_enc." });
    },

    async seal({ sealTicket, payload }, context) {
      if (payload.length === 0) throw new AuthError("validation_failed", { message: "payload: must not be empty." });
      const ticket = await tickets.read(sealTicket, serviceCaller(context).id);
      if (ticket.kind === "session") {
        return { envelope: { case: "sessionEnc", value: await channels.sealAnswerTo(ticket, payload) } };
      }
      const { binding, jti } = ticket;
      const contentKey = Buffer.from(ticket.contentKey, "base64url");
      return { envelope: { case: "frontEnc", value: await sealAnswerTo({ contentKey, binding, jti }, payload) } };
    },
  };
}

/** A path, as the contract binds envelopes to. */
const BINDING = /^\/[^\s?#]{0,1023}$/;
const OWN = "This server's own calls are not for others to open.";
const OTHERS = "This service account may not open what is sealed for this path.";
const BINDING_RULE = "binding: must be the path the envelope arrived at, without the query.";
