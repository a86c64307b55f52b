import { type JsonObject, toJson } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { FactorSchema, type MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import type { CallOptions } from "./auth-api.ts";
import type { Session } from "./session.ts";

/** A second factor that is on, as plain JSON. Times are RFC 3339. */
export type MfaFactor = { id: string; kind: string; confirmedAt: string; lastUsedAt?: string };

/**
 * The second factor of the user. What changes it rejects with `reauthentication_required` when the login is too long ago: call
 * `reauthenticate`, then make the call again.
 */
export type MfaApi = {
  getFactors(options?: CallOptions): Promise<{ factors: MfaFactor[]; recoveryCodesLeft: number }>;
  /** A secret for an authenticator app, as text, as URI and as a picture. Nothing is on yet. */
  enrollTotp(options?: CallOptions): Promise<{ secret: string; otpauthUri: string; qrSvg: string }>;
  /** Turns it on, for a code of the app. The recovery codes are shown this once; the user's other sessions end. */
  confirmTotp(code: string, options?: CallOptions): Promise<{ recoveryCodes: string[]; revokedSessions: number }>;
  /** Turns it off, for a code of the app or a recovery code. */
  disableTotp(code: string, options?: CallOptions): Promise<void>;
  /** New recovery codes; the old ones are dead. */
  regenerateRecoveryCodes(options?: CallOptions): Promise<string[]>;
};

type MfaApiDeps = { factors: Client<typeof MfaService>; session: Session };

export function createMfaApi({ factors, session }: MfaApiDeps): MfaApi {
  const note = (mfaEnabled: boolean) => {
    const { user } = session.state;
    if (user) session.replaceUser({ ...user, mfaEnabled });
  };
  return {
    async getFactors(options) {
      const answer = await factors.getFactors({}, options);
      const list = answer.factors.map((factor) => toJson(FactorSchema, factor) as JsonObject as MfaFactor);
      return { factors: list, recoveryCodesLeft: answer.recoveryCodesLeft };
    },
    async enrollTotp(options) {
      const { secret, otpauthUri, qrSvg } = await factors.enrollTotp({}, options);
      return { secret, otpauthUri, qrSvg };
    },
    async confirmTotp(code, options) {
      const { recoveryCodes, revokedSessions } = await factors.confirmTotp({ code }, options);
      note(true);
      return { recoveryCodes, revokedSessions };
    },
    async disableTotp(code, options) {
      await factors.disableTotp({ code }, options);
      note(false);
    },
    async regenerateRecoveryCodes(options) {
      return (await factors.regenerateRecoveryCodes({}, options)).recoveryCodes;
    },
  };
}
