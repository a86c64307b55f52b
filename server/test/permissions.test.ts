import { expect, test } from "vitest";
import { isGranted, isPermission } from "../src/domain/permissions.ts";

test.each([
  [["users:read"], "users:read", true],
  [["users:*"], "users:read", true],
  [["*:read"], "users:read", true],
  [["*:*"], "users:read", true],
  [["roles:write", "users:read"], "users:read", true],
  [[], "users:read", false],
  [["users:write"], "users:read", false],
  [["user:*"], "users:read", false],
  [["users:*:*"], "users:read", false],
  [["*"], "users:read", false],
  [["users:r*"], "users:read", false],
  [["users:read "], "users:read", false],
])("%j grant %s: %s", (held, needed, granted) => {
  expect(isGranted(held, needed)).toBe(granted);
});

test.each(["users:read", "users:*", "*:read", "*:*", "data_protected.v1:re-ad", `${"a".repeat(63)}:b`])(
  "%s is a permission",
  (text) => {
    expect(isPermission(text)).toBe(true);
  },
);

test.each([
  "",
  "users",
  "users:",
  ":read",
  "Users:read",
  "users:read:own",
  "us ers:read",
  "users:r*",
  "users:read\n",
  `${"a".repeat(64)}:b`,
])("%j is none", (text) => {
  expect(isPermission(text)).toBe(false);
});
