import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { TokenService, WatchRevocationsResponseSchema } from "@sello/gen/backend/v1/token_service_pb";
import { AuthError } from "../domain/errors.ts";
import { type AuthenticateDeps, authenticate } from "../service/authenticate.ts";
import type { Word } from "../service/backend-ports.ts";
import type { StreamPlaces } from "../service/stream-places.ts";
import type { Revocations } from "../service/watch-revocations.ts";
import { serviceCaller } from "./service-caller.ts";

export type TokenServiceOptions = {
  deps: AuthenticateDeps;
  revocations: Revocations;
  /** For those who watch, by service account. */
  places: StreamPlaces;
  stopping: AbortSignal;
};

export function createTokenService({
  deps,
  revocations,
  places,
  stopping,
}: TokenServiceOptions): ServiceImpl<typeof TokenService> {
  return {
    async validateToken({ accessToken }) {
      const { user, sessionId, jti, expiresAt } = await authenticate(deps, accessToken);
      const { id: userId, username, roles, permissions } = user;
      return { userId, username, roles, permissions, sessionId, jti, expiresAt: timestampFromDate(expiresAt) };
    },

    async *watchRevocations(_request, context) {
      const { signal } = context;
      const leave = places.take(serviceCaller(context).id);
      try {
        for await (const words of revocations.watch(signal)) yield toNews(words);
      } catch (error) {
        throw stopping.aborted ? new AuthError("unavailable", { message: STOPPING }) : error;
      } finally {
        leave();
      }
    },
  };
}

function toNews(words: Word[]): MessageInitShape<typeof WatchRevocationsResponseSchema> {
  return {
    sessionIds: words.flatMap(({ sessionId }) => sessionId ?? []),
    changedUserIds: [...new Set(words.flatMap(({ userId }) => userId ?? []))],
    allUsersChanged: words.some(({ sessionId, userId }) => sessionId === undefined && userId === undefined),
  };
}

const STOPPING = "This server stops. Watch again, and begin with an empty cache.";
