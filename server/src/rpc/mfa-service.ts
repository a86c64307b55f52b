import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { confirmTotp, disableTotp, enrollTotp, getFactors, regenerateRecoveryCodes } from "../service/mfa-factors.ts";
import type { Deps } from "../service/ports.ts";
import { callerOf } from "./caller.ts";
import { bearerOf } from "./edge.ts";
import { qrCodeSvg } from "./qr-code.ts";

export function createMfaService(deps: Deps): ServiceImpl<typeof MfaService> {
  return {
    async getFactors(_request, context) {
      const { factors, recoveryCodesLeft } = await getFactors(deps, bearerOf(context));
      return {
        recoveryCodesLeft,
        factors: factors.map(({ id, kind, confirmedAt, lastUsedAt }) => ({
          id,
          kind,
          confirmedAt: timestampFromDate(confirmedAt),
          ...(lastUsedAt && { lastUsedAt: timestampFromDate(lastUsedAt) }),
        })),
      };
    },

    async enrollTotp(_request, context) {
      const { secret, uri } = await enrollTotp(deps, callerOf(context));
      return { secret, otpauthUri: uri, qrSvg: qrCodeSvg(uri) };
    },

    confirmTotp({ code }, context) {
      return confirmTotp(deps, callerOf(context), code);
    },

    async disableTotp({ code }, context) {
      await disableTotp(deps, callerOf(context), code);
      return {};
    },

    async regenerateRecoveryCodes(_request, context) {
      return { recoveryCodes: await regenerateRecoveryCodes(deps, callerOf(context)) };
    },
  };
}
