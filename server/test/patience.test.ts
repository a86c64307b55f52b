import { expect, test } from "vitest";
import { AuthError } from "../src/domain/errors.ts";
import { withPatience } from "../src/patience.ts";

function failing(times: number, error: unknown) {
  let asked = 0;
  const task = async () => {
    asked += 1;
    if (asked <= times) throw error;
    return asked;
  };
  return { task, asked: () => asked };
}

test("a store that is unavailable is asked again until it answers", async () => {
  expect(await withPatience(failing(2, new AuthError("unavailable")).task)).toBe(3);
});

test("it is not asked for ever, and what else fails is not asked twice", async () => {
  const away = failing(9, new AuthError("unavailable"));
  await expect(withPatience(away.task, 2)).rejects.toMatchObject({ reason: "unavailable" });
  expect(away.asked()).toBe(2);
  const wrong = failing(9, new Error("altered"));
  await expect(withPatience(wrong.task)).rejects.toThrow("altered");
  expect(wrong.asked()).toBe(1);
});
