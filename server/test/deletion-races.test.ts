import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callAdmin, type Member, newAdmin, newMember } from "./support/admin.ts";
import { loginUser, me, refresh } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

const { updateUser, deleteUser, revokeUserSessions } = UserService.method;

let server: TestApp;
let wire: Wire;
let admin: Member;
beforeAll(async () => {
  server = await startApp({ env: { REFRESH_RETRY_GRACE_S: "0" } });
  wire = openWire(server.url);
  admin = await newAdmin(server);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Ending = [string, (userId: string) => Promise<{ ok: boolean }>];
const ENDINGS: Ending[] = [
  [
    "deletion",
    (userId) => callAdmin(wire, "rest", { method: deleteUser, message: { userId }, token: admin.access_token }),
  ],
  [
    "disabling",
    (userId) =>
      callAdmin(wire, "rest", { method: updateUser, message: { userId, disabled: true }, token: admin.access_token }),
  ],
  [
    "end of all sessions",
    (userId) =>
      callAdmin(wire, "connect-json", { method: revokeUserSessions, message: { userId }, token: admin.access_token }),
  ],
];

test.each(ENDINGS)(
  "after the %s was answered no token lives, whatever was refreshed at that moment",
  async (_name, end) => {
    for (let round = 0; round < 10; round++) {
      const member = await newMember(server);
      const phone = (await loginUser(server.url, member.credentials.email)).body;
      const [ended, ...refreshed] = await Promise.all([
        end(member.id),
        refresh(server.url, member.refresh_token),
        refresh(server.url, phone.refresh_token),
      ]);
      expect(ended.ok).toBe(true);
      const tokens = [member, phone, ...refreshed.map(({ body }) => body)];
      for (const { access_token, refresh_token } of tokens) {
        expect((await me(server.url, access_token ?? "none")).status).toBe(401);
        expect((await refresh(server.url, refresh_token ?? "none")).status).toBe(401);
      }
    }
  },
);

test.each(ENDINGS.slice(0, 2))("a login beside the %s leaves no session behind", async (_name, end) => {
  for (let round = 0; round < 10; round++) {
    const member = await newMember(server);
    const [, login] = await Promise.all([end(member.id), loginUser(server.url, member.credentials.email)]);
    expect((await me(server.url, login.body.access_token ?? "none")).status).toBe(401);
  }
});
