import type { KeySlot } from "./key-algorithms.ts";
import { createStoredKey, fitsSlot, type StoredKey } from "./key-file.ts";
import type { KeyFolder } from "./key-folder.ts";
import type { KeyState } from "./key-ring.ts";

export type RotationContext = { folder: KeyFolder; slots: KeySlot[]; graceS: number; now: Date };

/**
 * Makes sure that every slot has an active key and a next one, and puts keys that no slot asks for any more into grace.
 * @returns the slots that had no active key; with `generate` false nothing is written.
 */
export function ensureKeys(context: RotationContext, options: { generate: boolean }): Promise<KeySlot[]> {
  if (!options.generate) return missingSlots(context);
  return context.folder.locked(async () => {
    const missing = await missingSlots(context);
    const keys = await context.folder.read();
    await Promise.all(context.slots.map((slot) => fillSlot(context, slot, keys)));
    await putOrphansInGrace(context, keys);
    return missing;
  });
}

/**
 * Rotates every slot: next becomes active, active goes into grace, a new next is published, and keys past their grace are
 * erased. In this order: at every moment a reader of the folder finds an active key, and every key was published before use.
 */
export function rotateKeys(context: RotationContext): Promise<void> {
  return context.folder.locked(async () => {
    const keys = await context.folder.read();
    await Promise.all(context.slots.map((slot) => rotateSlot(context, slot, keys)));
    await putOrphansInGrace(context, keys);
    await eraseRetired(context);
  });
}

/** Rotates when the oldest active key is older than this, and erases what is past its grace. Returns whether it rotated. */
export async function rotateWhenDue(context: RotationContext, maxAgeDays: number): Promise<boolean> {
  const keys = await context.folder.read();
  const dueBefore = context.now.getTime() - maxAgeDays * 86_400_000;
  const due = keys.some((key) => key.state === "active" && Date.parse(key.since) <= dueBefore);
  if (due) await rotateKeys(context);
  else if (keys.some((key) => isRetired(context, key))) await context.folder.locked(() => eraseRetired(context));
  return due;
}

/** Erases one key now, without grace, because it leaked: what it signed or sealed is refused from then on. */
export function retireKey(context: RotationContext, kid: string): Promise<boolean> {
  return context.folder.locked(async () => {
    const keys = await context.folder.read();
    const leaked = keys.find((key) => key.kid === kid);
    if (leaked === undefined) return false;
    await context.folder.erase(leaked);
    const remaining = keys.filter((key) => key !== leaked);
    await Promise.all(context.slots.map((slot) => fillSlot(context, slot, remaining)));
    return true;
  });
}

async function missingSlots({ folder, slots }: RotationContext): Promise<KeySlot[]> {
  const keys = await folder.read();
  return slots.filter((slot) => !keys.some((key) => key.state === "active" && fitsSlot(key, slot)));
}

async function fillSlot(context: RotationContext, slot: KeySlot, keys: StoredKey[]): Promise<void> {
  const ofSlot = keys.filter((key) => fitsSlot(key, slot));
  let next = ofSlot.find((key) => key.state === "next");
  if (!ofSlot.some((key) => key.state === "active")) {
    const active = next ?? (await createStoredKey(slot, "active", context.now));
    await move(context, active, "active");
    next = undefined;
  }
  if (next === undefined) await context.folder.write(await createStoredKey(slot, "next", context.now));
}

async function rotateSlot(context: RotationContext, slot: KeySlot, keys: StoredKey[]): Promise<void> {
  const ofSlot = keys.filter((key) => fitsSlot(key, slot));
  const next = ofSlot.find((key) => key.state === "next");
  await context.folder.write(await createStoredKey(slot, "next", context.now));
  await move(context, next ?? (await createStoredKey(slot, "active", context.now)), "active");
  for (const key of ofSlot) if (key.state === "active") await move(context, key, "grace");
}

async function putOrphansInGrace(context: RotationContext, keys: StoredKey[]): Promise<void> {
  for (const key of keys) {
    const wanted = context.slots.some((slot) => fitsSlot(key, slot));
    if (!wanted && key.state !== "grace") await move(context, key, "grace");
  }
}

function move(context: RotationContext, key: StoredKey, state: KeyState): Promise<void> {
  return context.folder.write({ ...key, state, since: context.now.toISOString() });
}

async function eraseRetired(context: RotationContext): Promise<void> {
  const keys = await context.folder.read();
  for (const key of keys) if (isRetired(context, key)) await context.folder.erase(key);
}

function isRetired(context: RotationContext, key: StoredKey): boolean {
  return key.state === "grace" && Date.parse(key.since) + context.graceS * 1000 <= context.now.getTime();
}
