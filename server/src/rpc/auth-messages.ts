import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { LoginResponseSchema, SessionSchema, UserSchema } from "@sello/gen/auth/v1/auth_service_pb";
import { ADMIN_ROLE, type User } from "../domain/user.ts";
import type { Tokens } from "../service/grant.ts";
import type { Challenge } from "../service/login.ts";
import type { SessionRecord } from "../service/ports.ts";
import { fromStoredPublicData } from "./public-data.ts";

/** A user, as the contract shows one. */
export function userMessage(user: User) {
  return {
    id: user.id,
    email: user.email,
    username: user.username,
    roles: user.roles,
    permissions: user.permissions,
    isAdmin: user.roles.includes(ADMIN_ROLE),
    mfaEnabled: user.mfaEnabled,
    createdAt: timestampFromDate(user.createdAt),
    dataPublic: fromStoredPublicData(user.dataPublic),
  } satisfies MessageInitShape<typeof UserSchema>;
}

type TokenMembers = Pick<
  MessageInitShape<typeof LoginResponseSchema>,
  "accessToken" | "tokenType" | "expiresIn" | "refreshToken" | "refreshExpiresIn"
>;

/** The tokens, without the refresh token where it travels as a cookie. */
export function tokenMembers(tokens: Tokens, options: { asCookie: boolean }): TokenMembers {
  return {
    accessToken: tokens.accessToken,
    tokenType: "Bearer",
    expiresIn: tokens.expiresInS,
    refreshExpiresIn: tokens.refreshExpiresInS,
    ...(options.asCookie ? {} : { refreshToken: tokens.refreshToken }),
  };
}

/** What a login with a second factor gets: contract section 3. */
export function challengeMembers({
  challenge,
  methods,
  expiresInS,
}: Challenge): MessageInitShape<typeof LoginResponseSchema> {
  return { mfaRequired: true, mfaChallenge: challenge, mfaMethods: [...methods], expiresIn: expiresInS };
}

export function sessionMessage(session: SessionRecord, currentId: string): MessageInitShape<typeof SessionSchema> {
  return {
    id: session.id,
    createdAt: timestampFromDate(session.createdAt),
    lastUsedAt: timestampFromDate(session.lastUsedAt),
    expiresAt: timestampFromDate(session.expiresAt),
    ip: session.ip,
    userAgent: session.userAgent,
    current: session.id === currentId,
  };
}
