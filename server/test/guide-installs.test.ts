import { expect, test } from "vitest";
import { readGuide } from "./support/guide-runner.ts";

test("the guide for back ends installs what its files import", async () => {
  const { text } = await readGuide("guide-backend.md");
  const commands = [...text.matchAll(/^npm install (?:--save-dev )?(.+)$/gm)];
  const installed = commands.flatMap(([, names = ""]) => names.split(" "));
  const imports = [...text.matchAll(/^import .* from "((?:@[\w-]+\/)?[\w-]+)"/gm)].map(([, name = ""]) => name);
  const foreign = imports.filter((name) => !name.startsWith("@sello/"));
  expect(foreign).toContain("express");
  expect(foreign.filter((name) => !installed.includes(name))).toStrictEqual([]);
});
