import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject, onTestFinished } from "vitest";

/** Where a folder may be made, and is gone after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sello-keys-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "keys");
}

/** A folder with an active and a next key in every slot. */
export async function filledFolder(): Promise<string> {
  const dir = await emptyFolder();
  await cp(inject("keysDir"), dir, { recursive: true });
  await rm(join(dir, "kms.key"), { force: true });
  return dir;
}
