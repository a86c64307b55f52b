import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (token: string) => profile(server.url, "GetVault", { token });
const put = (token: string, content: Buffer, replacedVersion = 0) =>
  profile(server.url, "PutVault", { token, content: content.toString("base64"), replacedVersion });
const somebody = async () => {
  const { access_token: token, refresh_token, user } = await registerUser(server.url);
  return { token, refresh_token, id: user.id };
};

describe("what clients keep in the vault", () => {
  test("is empty at first, and returned as it was put, byte for byte", async () => {
    const { token, id } = await somebody();
    expect(await get(token)).toMatchObject({ status: 200 });
    expect((await get(token)).content).toBeUndefined();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    expect(await put(token, bytes)).toMatchObject({ status: 200, version: 1 });
    expect(await get(token)).toMatchObject({ content: bytes.toString("base64"), version: 1 });
    expect(await put(token, Buffer.from("x"), 1)).toMatchObject({ version: 2 });
    expect(await countEvents(server, "vault.updated", id)).toStrictEqual({ audit: 2, outbox: 0 });
  });

  test("is replaced by one of many that put at once", async () => {
    const { token } = await somebody();
    await put(token, Buffer.from("first"));
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => put(token, Buffer.from(`${i}`), 1)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ reason }) => reason === "conflict")).toHaveLength(9);
    const winner = answers.findIndex(({ status }) => status === 200);
    expect(await get(token)).toMatchObject({ content: Buffer.from(`${winner}`).toString("base64"), version: 2 });
  });

  test.each([1, 7, -1, 2_147_483_647, -2_147_483_648])(
    "is not put in the place of version %i, which is not there",
    async (version) => {
      const { token } = await somebody();
      expect((await put(token, Buffer.from("x"), version)).reason).toBe("conflict");
      await put(token, Buffer.from("first"));
      await put(token, Buffer.from("second"), 1);
      expect((await put(token, Buffer.from("x"), version)).reason).toBe("conflict");
      expect(await get(token)).toMatchObject({ content: Buffer.from("second").toString("base64"), version: 2 });
    },
  );

  test("has 64 KiB at most", async () => {
    const { token } = await somebody();
    expect((await put(token, Buffer.alloc(65_537))).reason).toBe("validation_failed");
    expect((await put(token, Buffer.alloc(65_536))).status).toBe(200);
  });

  test("is one's own, and needs a session that is alive", async () => {
    const [mine, theirs] = [await somebody(), await somebody()];
    await put(mine.token, Buffer.from("mine"));
    expect((await get(theirs.token)).content).toBeUndefined();
    await call(`${server.url}/auth/logout`, { body: { refresh_token: mine.refresh_token } });
    expect((await get(mine.token)).reason).toBe("token_revoked");
    expect((await put(mine.token, Buffer.from("x"), 1)).reason).toBe("token_revoked");
  });
});
