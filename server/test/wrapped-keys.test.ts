import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { readConfig } from "../src/config.ts";
import { openKms, rotateKmsKey } from "../src/open-kms.ts";
import { WRAPPED_KEYS } from "../src/postgres/wrapped-keys.ts";
import { rewrapAll } from "../src/service/rewrap.ts";
import { createLog } from "../src/telemetry/log.ts";
import { allSealed } from "./support/audit.ts";
import { PASSWORD, registerUser } from "./support/client.ts";
import { challengeOf, registerMfaUser, verify } from "./support/mfa.ts";
import { profile } from "./support/profile.ts";
import { startAppForTest } from "./support/start-app.ts";

const ROWS = { server_keys: 1, audit_key: 1, user_keys: 6, mfa_factors: 1 };

test("all that the KMS wrapped in the database is taken to the newest master key, and opens as before", async () => {
  const server = await startAppForTest();
  const { database } = server.app.stores;
  const users = [await registerUser(server.url), await registerUser(server.url)];
  const recoveryKeys: (string | undefined)[] = [];
  for (const { access_token: token } of users) {
    await profile(server.url, "UpdateProfile", { token, dataProtected: { phone: "1" } });
    const written = { token, password: PASSWORD, dataPrivate: { bankAccount: "2" } };
    recoveryKeys.push((await profile(server.url, "UpdatePrivateData", written)).recoveryKey);
  }
  const person = await registerMfaUser(server);
  await allSealed(server);
  const rewrap = async () => {
    const { config, secrets } = readConfig({ KEYS_DIR: server.keysDir });
    const kms = await openKms({ config, secrets, clock: systemClock, log: createLog("silent") });
    const results = Object.entries(WRAPPED_KEYS).map(async ([name, keysOf]) => {
      const { rewrapped, current, failed } = await rewrapAll(kms, keysOf(database));
      return [name, [rewrapped, current, failed]];
    });
    return Object.fromEntries(await Promise.all(results));
  };
  await rotateKmsKey(join(server.keysDir, "kms.key"), systemClock);
  const expected = (of: (count: number) => unknown) =>
    Object.fromEntries(Object.entries(ROWS).map(([name, count]) => [name, of(count)]));
  expect(await rewrap()).toStrictEqual(expected((count) => [count, 0, []]));
  expect(await rewrap()).toStrictEqual(expected((count) => [0, count, []]));

  for (const [index, { access_token: token }] of users.entries()) {
    expect(await profile(server.url, "GetProfile", { token })).toMatchObject({ dataProtected: { phone: "1" } });
    for (const recoveryKey of ["", recoveryKeys[index]]) {
      const unlocked = await profile(server.url, "UnlockPrivateData", { token, password: PASSWORD, recoveryKey });
      expect(unlocked).toMatchObject({ dataPrivate: { bankAccount: "2" } });
    }
  }
  server.clock.advance(60);
  const challenge = await challengeOf(server, person.credentials.email);
  expect((await verify(server.url, challenge, person.code())).status).toBe(200);
});
