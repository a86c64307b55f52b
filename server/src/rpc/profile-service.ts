import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { ProfileService, UpdateProfileRequest } from "@sello/gen/auth/v1/profile_service_pb";
import { PrivateDataSchema, ProtectedDataSchema, PublicDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { AuthError } from "../domain/errors.ts";
import { createOneAtATime } from "../service/one-at-a-time.ts";
import type { Deps } from "../service/ports.ts";
import { getProfile, type Profile, type ProfileChange, updateProfile } from "../service/profile.ts";
import { unlockPrivateData } from "../service/unlock-private-data.ts";
import { updatePrivateData } from "../service/update-private-data.ts";
import type { Caller } from "../service/user-data-ports.ts";
import { getVault, putVault } from "../service/vault.ts";
import { bearerOf, edgeOf } from "./edge.ts";
import { fromStoredPublicData, toStoredPublicData } from "./public-data.ts";
import { changeSealedData, readSealedData } from "./sealed-data.ts";
import { readUpdateMask, replaceFields } from "./update-mask.ts";

export function createProfileService(deps: Deps): ServiceImpl<typeof ProfileService> {
  const oneAtATime = createOneAtATime();
  /** What one user changes waits here, and not in the database. Private data is bounded by the places for hashes. */
  const inTurn = <T>(caller: Caller, change: () => Promise<T>) => oneAtATime(caller.bearer.user.id, change);
  return {
    async getProfile(_request, context) {
      return profileMessage(await getProfile(deps, callerOf(context)));
    },

    async updateProfile(request, context) {
      const [caller, change] = [callerOf(context), readChange(request)];
      return profileMessage(await inTurn(caller, () => updateProfile(deps, caller, change)));
    },

    async unlockPrivateData({ password, recoveryKey }, context) {
      const input = { password, recoveryKey, signal: context.signal };
      const opened = await deps.hasher.admit(() => unlockPrivateData(deps, callerOf(context), input));
      return { dataPrivate: readSealedData(PrivateDataSchema, opened) };
    },

    async updatePrivateData(request, context) {
      const { password, dataPrivate: sent, newRecoveryKey, discardStored } = request;
      const classes = { data_private: { desc: PrivateDataSchema, sent } };
      const replaced = readUpdateMask(request.updateMask, classes).get("data_private");
      if (replaced === undefined && !newRecoveryKey) throw nothing("data_private");
      const asked = { field: "data_private", sent, replaced: replaced ?? new Set<string>() };
      const change = changeSealedData(PrivateDataSchema, asked);
      const input = { password, newRecoveryKey, discardStored, change, signal: context.signal };
      const recoveryKey = await deps.hasher.admit(() => updatePrivateData(deps, callerOf(context), input));
      return recoveryKey === undefined ? {} : { recoveryKey };
    },

    getVault(_request, context) {
      return getVault(deps, callerOf(context));
    },

    async putVault({ content, replacedVersion }, context) {
      const caller = callerOf(context);
      return { version: await inTurn(caller, () => putVault(deps, caller, { content, replacedVersion })) };
    },
  };
}

function callerOf(context: HandlerContext): Caller {
  return { client: edgeOf(context).client, bearer: bearerOf(context) };
}

function profileMessage({ dataPublic, dataProtected }: Profile) {
  return {
    dataPublic: fromStoredPublicData(dataPublic),
    dataProtected: readSealedData(ProtectedDataSchema, dataProtected),
  };
}

function readChange({ dataPublic, dataProtected, updateMask }: UpdateProfileRequest): ProfileChange {
  const replaced = readUpdateMask(updateMask, {
    data_public: { desc: PublicDataSchema, sent: dataPublic },
    data_protected: { desc: ProtectedDataSchema, sent: dataProtected },
  });
  const [inPublic, inProtected] = [replaced.get("data_public"), replaced.get("data_protected")];
  if (inPublic === undefined && inProtected === undefined) throw nothing("data_public, data_protected");
  const sent = dataPublic ?? fromStoredPublicData({});
  return {
    dataPublic:
      inPublic &&
      ((stored) => {
        if (inPublic === "all") return toStoredPublicData(sent);
        const after = fromStoredPublicData(stored);
        replaceFields(PublicDataSchema, { stored: after, sent, replaced: inPublic });
        return toStoredPublicData(after);
      }),
    dataProtected:
      inProtected &&
      changeSealedData(ProtectedDataSchema, { field: "data_protected", sent: dataProtected, replaced: inProtected }),
  };
}

function nothing(fields: string): AuthError {
  return new AuthError("validation_failed", { message: `${fields}: send what is to be changed` });
}
