import type { ServiceImpl } from "@connectrpc/connect";
import type { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import { ProtectedDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import type { ProtectedDeps } from "../service/protected-data.ts";
import { readProtectedData } from "../service/read-protected-data.ts";
import { edgeOf, serviceOf } from "./edge.ts";
import { readSealedData } from "./sealed-data.ts";

export function createUserDataService(deps: ProtectedDeps): ServiceImpl<typeof UserDataService> {
  return {
    async getProtectedData({ userId }, context) {
      const reader = { client: edgeOf(context).client, service: serviceOf(context) };
      return { dataProtected: readSealedData(ProtectedDataSchema, await readProtectedData(deps, reader, userId)) };
    },
  };
}
