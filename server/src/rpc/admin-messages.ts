import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { RoleSchema } from "@sello/gen/admin/v1/role_service_pb";
import type { AuditEventSchema, UserSchema } from "@sello/gen/admin/v1/user_service_pb";
import type { Role } from "../domain/role.ts";
import type { AdminUser } from "../service/administration-ports.ts";
import type { AuditEvent } from "../service/audit-ports.ts";
import { userMessage } from "./auth-messages.ts";

/** A user, as the contract shows one to administrators. */
export function adminUserMessage(user: AdminUser): MessageInitShape<typeof UserSchema> {
  return {
    ...userMessage(user),
    assignedRoles: user.assignedRoles,
    emailVerified: user.emailVerified,
    version: user.version,
    ...(user.disabledAt && { disabledAt: timestampFromDate(user.disabledAt) }),
    ...(user.lockedUntil && { lockedUntil: timestampFromDate(user.lockedUntil) }),
  };
}

export function roleMessage(role: Role): MessageInitShape<typeof RoleSchema> {
  const { name, description, permissions, parents, effectivePermissions, version } = role;
  const createdAt = timestampFromDate(role.createdAt);
  return { name, description, permissions, parents, effectivePermissions, createdAt, version };
}

export function auditEventMessage(event: AuditEvent): MessageInitShape<typeof AuditEventSchema> {
  const { id, type, result, userAgent, requestId, actorId, subjectId, sessionId, ip } = event;
  return {
    id,
    occurredAt: timestampFromDate(event.occurredAt),
    type,
    result,
    userAgent,
    requestId,
    detail: event.detail as JsonObject,
    ...(actorId !== undefined && { actorId }),
    ...(subjectId !== undefined && { subjectId }),
    ...(sessionId !== undefined && { sessionId }),
    ...(ip !== undefined && { ip }),
  };
}
