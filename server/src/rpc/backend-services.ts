import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import type { EndedSessions } from "../service/backend-ports.ts";
import type { Deps } from "../service/ports.ts";
import { createStreamPlaces } from "../service/stream-places.ts";
import { createRevocations } from "../service/watch-revocations.ts";
import { createKmsService } from "./kms-service.ts";
import { implement, type Registration } from "./procedures.ts";
import { createTokenService } from "./token-service.ts";
import { createUserDataService } from "./user-data-service.ts";

/** A back end has one stream a process. */
const STREAMS_AN_ACCOUNT = 100;

/** The services for other back ends. */
export function createBackendServices(
  deps: Deps,
  { endedSessions, stopping }: { endedSessions: EndedSessions; stopping: AbortSignal },
): Registration[] {
  const revocations = createRevocations(endedSessions);
  const places = createStreamPlaces(STREAMS_AN_ACCOUNT);
  return [
    implement(TokenService, createTokenService({ deps, revocations, places, stopping })),
    implement(KmsService, createKmsService(deps)),
    implement(UserDataService, createUserDataService(deps)),
  ];
}
