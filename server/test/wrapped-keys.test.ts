import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";
import { rotateKmsKey } from "../src/open-kms.ts";
import { createWrappedKeys } from "../src/postgres/user-keys.ts";
import { PASSWORD, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { startAppForTest } from "./support/start-app.ts";

test("every wrapped key of users can be wrapped anew, page by page, and the data opens as before", async () => {
  const server = await startAppForTest();
  const { kms } = server.app.deps;
  const users = [await registerUser(server.url), await registerUser(server.url)];
  const recoveryKeys: (string | undefined)[] = [];
  for (const { access_token: token } of users) {
    await profile(server.url, "UpdateProfile", { token, dataProtected: { phone: "1" } });
    const written = { token, password: PASSWORD, dataPrivate: { bankAccount: "2" } };
    recoveryKeys.push((await profile(server.url, "UpdatePrivateData", written)).recoveryKey);
  }
  await rotateKmsKey(join(server.keysDir, "kms.key"), systemClock);
  const keys = createWrappedKeys(server.app.stores.database);
  const [first] = await keys.page(undefined, 1);
  const { wrappedKey: text, context: bound } = first ?? expect.unreachable();
  await vi.waitFor(async () => expect((await kms.unwrap(text, bound))?.isCurrent).toBe(false), { timeout: 5_000 });
  const now = new Date(0);
  const seen: string[] = [];
  let stale = 0;
  for (let page = await keys.page(undefined, 4); page.length > 0; page = await keys.page(seen.at(-1), 4)) {
    for (const { id, wrappedKey, context } of page) {
      seen.push(id);
      const opened = (await kms.unwrap(wrappedKey, context)) ?? expect.unreachable();
      stale += Number(!opened.isCurrent);
      const after = await kms.wrap(opened.secret, context);
      expect(await keys.replace(id, { before: wrappedKey, after, now })).toBe(true);
      expect(await keys.replace(id, { before: wrappedKey, after, now })).toBe(false);
    }
  }
  expect(new Set(seen).size).toBe(6);
  expect(stale).toBe(6);

  for (const [index, { access_token: token }] of users.entries()) {
    expect(await profile(server.url, "GetProfile", { token })).toMatchObject({ dataProtected: { phone: "1" } });
    for (const recoveryKey of ["", recoveryKeys[index]]) {
      const unlocked = await profile(server.url, "UnlockPrivateData", { token, password: PASSWORD, recoveryKey });
      expect(unlocked).toMatchObject({ dataPrivate: { bankAccount: "2" } });
    }
  }
});
