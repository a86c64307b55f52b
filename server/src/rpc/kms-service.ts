import type { ServiceImpl } from "@connectrpc/connect";
import type { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import type { TamperedDeps } from "../service/refuse-tampered.ts";
import { createUserKey, decryptUserKey, type UserKeyDeps } from "../service/user-keys.ts";
import { edgeOf } from "./edge.ts";
import { serviceCaller } from "./service-caller.ts";

export function createKmsService(deps: UserKeyDeps & TamperedDeps): ServiceImpl<typeof KmsService> {
  return {
    createUserKey({ userId, purpose }) {
      return createUserKey(deps, { userId, purpose });
    },

    async decryptKey({ userId, purpose, wrappedKey }, context) {
      const caller = { client: edgeOf(context).client, accountId: serviceCaller(context).id };
      const { key, rewrappedKey } = await decryptUserKey(deps, caller, { userId, purpose, wrappedKey });
      return { key, ...(rewrappedKey !== undefined && { rewrappedKey }) };
    },
  };
}
