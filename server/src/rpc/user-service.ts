import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { refuseProblems } from "../domain/validation.ts";
import { createUser } from "../service/create-user.ts";
import { deleteUser, revokeUserSessions } from "../service/delete-user.ts";
import { listAuditEvents } from "../service/list-audit-events.ts";
import { getUser, listUsers } from "../service/list-users.ts";
import type { Deps } from "../service/ports.ts";
import { unlockUserAs } from "../service/unlock-user.ts";
import { updateUser } from "../service/update-user.ts";
import { adminUserMessage, auditEventMessage } from "./admin-messages.ts";
import { callerOf } from "./caller.ts";
import { toStoredPublicData } from "./public-data.ts";

export function createUserService(deps: Deps): ServiceImpl<typeof UserService> {
  return {
    async listUsers({ pageSize, pageToken, query, role, disabled, locked, mfa }) {
      const page = await listUsers(deps, { pageSize, pageToken, query, role, disabled, locked, mfa });
      return { users: page.users.map(adminUserMessage), nextPageToken: page.nextPageToken };
    },

    async getUser({ userId }) {
      return { user: adminUserMessage(await getUser(deps, userId)) };
    },

    async createUser({ email, username, password, passwordHash, dataPublic }, context) {
      const stored = toStoredPublicData(dataPublic);
      const input = { email, username, password, passwordHash, dataPublic: stored, signal: context.signal };
      const create = () => createUser(deps, callerOf(context), input);
      const user = await (password === "" ? create() : deps.hasher.admit(create));
      return { user: adminUserMessage(user) };
    },

    async updateUser({ userId, email, username, password, disabled, dataPublic, resetMfa, expectedVersion }, context) {
      const stored = dataPublic === undefined ? undefined : toStoredPublicData(dataPublic);
      const change = { email, username, password, disabled, dataPublic: stored, resetMfa };
      const input = { userId, ...change, expectedVersion, signal: context.signal };
      const update = () => updateUser(deps, callerOf(context), input);
      const user = await (password === undefined ? update() : deps.hasher.admit(update));
      return { user: adminUserMessage(user) };
    },

    async deleteUser({ userId, expectedVersion }, context) {
      await deleteUser(deps, callerOf(context), { userId, expectedVersion });
      return {};
    },

    async unlockUser({ userId }, context) {
      await unlockUserAs(deps, callerOf(context), userId);
      return {};
    },

    async revokeUserSessions({ userId }, context) {
      return { revokedSessions: await revokeUserSessions(deps, callerOf(context), userId) };
    },

    async listAuditEvents({ pageSize, pageToken, from, to, type, actorId, subjectId, sessionId }) {
      const filter = {
        type: type || undefined,
        actorId: actorId || undefined,
        subjectId: subjectId || undefined,
        sessionId: sessionId || undefined,
        from: dateOf("from", from),
        to: dateOf("to", to),
      };
      const { events, nextPageToken } = await listAuditEvents(deps, { filter, pageSize, pageToken });
      return { events: events.map(auditEventMessage), nextPageToken };
    },
  };
}

/** Beyond what a date can be, one is neither before nor after anything. */
function dateOf(field: string, timestamp: Timestamp | undefined): Date | undefined {
  const date = timestamp === undefined ? undefined : timestampDate(timestamp);
  if (date !== undefined && !(date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999)) {
    refuseProblems([{ field, problem: "must be a time of the years 1 to 9999" }]);
  }
  return date;
}
