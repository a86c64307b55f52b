import { create } from "@bufbuild/protobuf";
import { EnvelopeError, type FrontAnswer, type Opener, openRequest, type Primitives } from "@sello/envelope";
import { type FrontEnc, FrontEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { AuthError } from "../domain/errors.ts";
import type { Clock, Nonces } from "../service/ports.ts";
import { keyMembers } from "./key-members.ts";
import { FRONT_ENVELOPE_FIELD, type SealingKind } from "./sealing.ts";

const MAX_SKEW_S = 60;
/** An envelope may be presented from 60 seconds before its time to 60 seconds after it; its nonce outlives both. */
const NONCE_TTL_S = 2 * MAX_SKEW_S + 30;

export type FrontEnvelopeDeps = {
  findOpener(kid: string): Opener | undefined;
  nonces: Nonces;
  clock: Clock;
  aadRequired: boolean;
  primitives: Primitives;
};

export type OpenedFront = {
  plaintext: Uint8Array;
  contentKey: Uint8Array;
  jti: string | undefined;
  sealAnswer(plaintext: Uint8Array | string): Promise<FrontAnswer>;
};

/** Opens a stateless envelope, and accepts it: the same one never opens again. @throws AuthError one of the `envelope_` reasons */
export type OpenFront = (message: FrontEnc, binding: string) => Promise<OpenedFront>;

export function createOpenFront(deps: FrontEnvelopeDeps): OpenFront {
  return async ({ $typeName: _type, epk, ...members }, binding) => {
    const envelope = epk === undefined ? members : { ...members, epk: keyMembers(epk) };
    const opened = await openRequest(deps.findOpener, envelope, {
      binding,
      now: Math.floor(deps.clock.now().getTime() / 1000),
      aadRequired: deps.aadRequired,
      maxSkewS: MAX_SKEW_S,
      primitives: deps.primitives,
    }).catch(refuse);
    // Claimed after the envelope was opened: nobody can spend the nonce of an envelope that they could not make.
    if (opened.replayId !== undefined && !(await deps.nonces.claim(opened.replayId, NONCE_TTL_S))) {
      throw new AuthError("envelope_replayed");
    }
    return opened;
  };
}

/** Stateless envelopes, `__front_enc__`: contract section 8. */
export function frontEnvelope(open: OpenFront): SealingKind {
  return {
    field: FRONT_ENVELOPE_FIELD,
    message: FrontEncSchema,
    async open(message, binding) {
      const { plaintext, contentKey, sealAnswer } = await open(message as FrontEnc, binding);
      return {
        plaintext,
        contentKey,
        sealAnswer: async (answer) => create(FrontEncSchema, await sealAnswer(answer)),
      };
    },
  };
}

function refuse(error: unknown): never {
  throw error instanceof EnvelopeError ? new AuthError(error.code) : error;
}
