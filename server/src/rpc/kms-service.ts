import type { ServiceImpl } from "@connectrpc/connect";
import type { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { createUserKey, decryptUserKey, type UserKeyDeps } from "../service/user-keys.ts";

export function createKmsService(deps: UserKeyDeps): ServiceImpl<typeof KmsService> {
  return {
    createUserKey({ userId, purpose }) {
      return createUserKey(deps, { userId, purpose });
    },

    async decryptKey({ userId, purpose, wrappedKey }) {
      const { key, rewrappedKey } = await decryptUserKey(deps, { userId, purpose, wrappedKey });
      return { key, ...(rewrappedKey !== undefined && { rewrappedKey }) };
    },
  };
}
