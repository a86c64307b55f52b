import { expect, test } from "vitest";

/** By a name that the compiler does not follow: it is plain JavaScript. */
const { originsOf } = await import(new URL("../settings.mjs", import.meta.url).href);

test("the shops answer the example's page, or the pages that SHOP_CORS_ORIGINS names", () => {
  expect(originsOf({})).toStrictEqual(["http://localhost:4100"]);
  expect(originsOf({ SHOP_CORS_ORIGINS: "http://localhost:3000, https://app.example.com" })).toStrictEqual([
    "http://localhost:3000",
    "https://app.example.com",
  ]);
});

test.each(["*", "", "localhost:3000", "http://localhost:3000/", "http://localhost:3000,"])(
  "a list with no origin in it is refused: %o",
  (list) => {
    expect(() => originsOf({ SHOP_CORS_ORIGINS: list })).toThrow(/SHOP_CORS_ORIGINS: ".*" is no origin/);
  },
);
