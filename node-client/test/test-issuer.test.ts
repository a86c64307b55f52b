import { expect, onTestFinished, test } from "vitest";
import { createTestIssuer, type TestIssuer } from "../src/index.ts";
import { codeOf } from "./support/client.ts";

function startIssuer(options?: Parameters<typeof createTestIssuer>[0]): TestIssuer {
  const issuer = createTestIssuer(options);
  onTestFinished(() => issuer[Symbol.asyncDispose]());
  return issuer;
}

test("a token says what it was issued for", async () => {
  const { auth, issue } = startIssuer();
  const anna = { id: "018f0000-0000-7000-8000-000000000001", username: "anna" };
  const token = issue({ ...anna, roles: ["seller"], permissions: ["orders:write", "orders:read"] });
  const { user } = await auth.validate(token);
  expect(user).toStrictEqual({ ...anna, roles: ["seller"], permissions: ["orders:read", "orders:write"] });
});

test("a token is refused as the server would", async () => {
  let nowMs = Date.now();
  const { auth, issue, revoke } = startIssuer({ nowMs: () => nowMs });
  const [revoked, expiring] = [issue(), issue({}, { expiresInS: 10 })];
  expect(await codeOf(auth.validate("a.b.c"))).toBe("token_invalid");
  expect(await codeOf(auth.validate(issue({}, { expiresInS: -1 })))).toBe("token_expired");
  expect(await codeOf(auth.validate(revoked))).toBe("none");
  revoke(revoked);
  expect(await codeOf(auth.validate(revoked))).toBe("token_revoked");
  expect(await codeOf(auth.validate(expiring))).toBe("none");
  nowMs += 10_000;
  expect(await codeOf(auth.validate(expiring))).toBe("token_expired");
  expect(() => revoke("a.b.c")).toThrow("not issued here");
});

test.each(["stateless", "stateful"] as const)(
  "a %s body opens once, at its place, and so does its answer",
  async (mode) => {
    const { auth, seal } = startIssuer();
    const sealed = await seal({ item: "apple" }, { binding: "/orders", mode });
    expect(await codeOf(auth.open(sealed.body, { binding: "/other" }))).toBe("envelope_invalid");
    const opened = await auth.open(sealed.body, { binding: "/orders" });
    expect(opened.payload).toStrictEqual({ item: "apple" });
    expect(await sealed.open(await opened.seal({ id: 7 }))).toStrictEqual({ id: 7 });
    expect(await codeOf(auth.open(sealed.body, { binding: "/orders" }))).toBe("envelope_replayed");
  },
);

test("a user key comes back for its user and its purpose only", async () => {
  const { auth } = startIssuer();
  const userId = "018f0000-0000-7000-8000-000000000001";
  const { key, wrappedKey } = await auth.createUserKey(userId, "orders");
  expect(await auth.decryptKey({ userId, purpose: "orders", wrappedKey })).toStrictEqual({ key });
  expect(await codeOf(auth.decryptKey({ userId, purpose: "other", wrappedKey }))).toBe("validation_failed");
  expect(await codeOf(auth.decryptKey({ userId, purpose: "orders", wrappedKey: "x" }))).toBe("validation_failed");
});

test("protected data is what was set, empty of a user who was issued a token, and not_found of nobody", async () => {
  const { auth, issue, setProtectedData } = startIssuer();
  const userId = "018f0000-0000-7000-8000-000000000001";
  expect(await codeOf(auth.protectedData(userId))).toBe("not_found");
  issue({ id: userId });
  expect(await auth.protectedData(userId)).toMatchObject({ phone: "" });
  setProtectedData(userId, { phone: "+44 20 7946 0958" });
  issue({ id: userId });
  expect(await auth.protectedData(userId)).toMatchObject({ phone: "+44 20 7946 0958" });
});

test("everything is unavailable while it is down", async () => {
  const { auth, issue, seal, setDown } = startIssuer();
  const token = issue();
  const { body } = await seal({}, { binding: "/" });
  setDown(true);
  expect(await codeOf(auth.validate(token))).toBe("unavailable");
  expect(await codeOf(auth.open(body, { binding: "/" }))).toBe("unavailable");
  setDown(false);
  expect(await codeOf(auth.validate(token))).toBe("none");
});
