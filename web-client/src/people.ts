import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { type Session, SessionSchema, type User, UserSchema } from "@sello/gen/auth/v1/auth_service_pb";

/** A user, as plain JSON. */
export type AuthUser = {
  id: string;
  email: string;
  username: string;
  roles: string[];
  permissions: string[];
  isAdmin: boolean;
  mfaEnabled: boolean;
  /** RFC 3339. */
  createdAt: string;
  dataPublic?: JsonObject;
};

/** A login somewhere, as plain JSON. Times are RFC 3339. */
export type AuthSession = {
  id: string;
  createdAt: string;
  lastUsedAt: string;
  expiresAt: string;
  ip: string;
  userAgent: string;
  /** Whether it is this page's. */
  current: boolean;
};

const options = { alwaysEmitImplicit: true };

/** Throws a TypeError when the answer names no user. */
export function userOf(user: User | undefined): AuthUser {
  if (user === undefined) throw new TypeError("the answer names no user");
  return toJson(UserSchema, user, options) as unknown as AuthUser;
}

export function sessionOf(session: Session): AuthSession {
  return toJson(SessionSchema, session, options) as unknown as AuthSession;
}
