import { AuthError } from "../domain/errors.ts";
import type { Clock, Kms } from "../service/ports.ts";

/**
 * What it takes to seal the answer to a request that was opened for a service account, whatever has become of its channel since.
 * Keys are in base64url.
 */
export type SealTicket =
  | { kind: "front"; contentKey: string; binding: string; jti?: string }
  | { kind: "session"; answerKey: string; sid: string; n: number; binding: string };

/** Tickets hold a key and travel to other back ends: wrapped by the KMS, for one service account, and for ten minutes. */
export type SealTickets = {
  issue(ticket: SealTicket, holder: string): Promise<string>;
  /** @throws AuthError `envelope_invalid` for a ticket that is none or somebody else's, `envelope_expired`, `unavailable` */
  read(text: string, holder: string): Promise<SealTicket>;
};

const LIFE_MS = 600_000;

export function createSealTickets(kms: Kms, clock: Clock): SealTickets {
  const contextOf = (holder: string) => ({ purpose: "seal-ticket", subject: holder });
  return {
    issue(ticket, holder) {
      const endsMs = clock.now().getTime() + LIFE_MS;
      return kms.wrap(Buffer.from(JSON.stringify({ ticket, endsMs })), contextOf(holder));
    },
    async read(text, holder) {
      const unwrapped = await kms.unwrap(text, contextOf(holder));
      if (unwrapped === undefined) throw new AuthError("envelope_invalid");
      const { ticket, endsMs } = JSON.parse(unwrapped.secret.toString("utf8")) as {
        ticket: SealTicket;
        endsMs: number;
      };
      unwrapped.secret.fill(0);
      if (endsMs <= clock.now().getTime()) throw new AuthError("envelope_expired");
      return ticket;
    },
  };
}
