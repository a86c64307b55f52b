import type { KeySlot } from "./key-algorithms.ts";
import { createStoredKey, fitsSlot, type StoredKey } from "./key-file.ts";
import type { KeyFolder } from "./key-folder.ts";
import type { KeyState } from "./key-ring.ts";

export type RotationContext = { folder: KeyFolder; slots: KeySlot[]; graceS: number; now: Date };

/**
 * Makes sure that every slot has one active key and a next one, and puts keys that no slot asks for any more into grace.
 * @returns the slots that had no active key; with `generate` false nothing is written.
 */
export function ensureKeys(context: RotationContext, options: { generate: boolean }): Promise<KeySlot[]> {
  if (!options.generate) return missingSlots(context);
  return context.folder.locked(async () => {
    const missing = await missingSlots(context);
    const keys = await context.folder.read();
    for (const slot of context.slots) await fillSlot(context, slot, keys);
    await putSupersededInGrace(context, keys);
    await putOrphansInGrace(context, keys);
    return missing;
  });
}

/**
 * Rotates every slot: next becomes active, active goes into grace, a new next is published, and keys past their grace are
 * erased. In this order: at every moment a reader of the folder finds an active key, and every key was published before use.
 */
export function rotateKeys(context: RotationContext): Promise<void> {
  return context.folder.locked(() => rotateLocked(context));
}

/**
 * Rotates when the oldest active key is older than this, finishes a rotation that was cut off, and erases what is past its
 * grace. Returns whether it rotated: of several servers that find it due at once, one does.
 */
export async function rotateWhenDue(context: RotationContext, maxAgeDays: number): Promise<boolean> {
  const { folder, now } = context;
  const dueBefore = now.getTime() - maxAgeDays * 86_400_000;
  const isDue = (key: StoredKey) => key.state === "active" && Date.parse(key.since) <= dueBefore;
  const seen = await folder.read();
  const idle = superseded(context, seen).length === 0 && !seen.some((key) => isDue(key) || isRetired(context, key));
  if (idle) return false;
  return folder.locked(async () => {
    await putSupersededInGrace(context, await folder.read());
    const due = (await folder.read()).some(isDue);
    if (due) await rotateLocked(context);
    else await eraseRetired(context);
    return due;
  });
}

async function rotateLocked(context: RotationContext): Promise<void> {
  const keys = await context.folder.read();
  for (const slot of context.slots) await rotateSlot(context, slot, keys);
  await putOrphansInGrace(context, keys);
  await eraseRetired(context);
}

/**
 * Erases one key now, without grace, because it leaked: what it signed or sealed is refused from then on. Its successor is
 * there before it goes. A file that holds no key does not stand in the way.
 */
export function retireKey(context: RotationContext, kid: string): Promise<boolean> {
  return context.folder.locked(async () => {
    const { keys } = await context.folder.readWhole();
    const leaked = keys.find((key) => key.kid === kid);
    if (leaked === undefined) return false;
    const remaining = keys.filter((key) => key !== leaked);
    for (const slot of context.slots) await fillSlot(context, slot, remaining);
    await context.folder.erase(leaked);
    return true;
  });
}

async function missingSlots({ folder, slots }: RotationContext): Promise<KeySlot[]> {
  const keys = await folder.read();
  return slots.filter((slot) => !keys.some((key) => key.state === "active" && fitsSlot(key, slot)));
}

async function fillSlot(context: RotationContext, slot: KeySlot, keys: StoredKey[]): Promise<void> {
  const waiting = inState(keys, slot, "next");
  if (inState(keys, slot, "active").length === 0) {
    await move(context, waiting.shift() ?? (await createStoredKey(slot, "active", context.now)), "active");
  }
  if (waiting.length === 0) await context.folder.write(await createStoredKey(slot, "next", context.now));
}

/** The key published first becomes active. A second one waits already when the rotation before was cut off. */
async function rotateSlot(context: RotationContext, slot: KeySlot, keys: StoredKey[]): Promise<void> {
  const [next, following] = inState(keys, slot, "next");
  if (following === undefined) await context.folder.write(await createStoredKey(slot, "next", context.now));
  await move(context, next ?? (await createStoredKey(slot, "active", context.now)), "active");
  for (const key of inState(keys, slot, "active")) await move(context, key, "grace");
}

/** What a rotation that was cut off left active beside the key that took over. */
function superseded({ slots }: RotationContext, keys: StoredKey[]): StoredKey[] {
  return slots.flatMap((slot) => inState(keys, slot, "active").slice(0, -1));
}

async function putSupersededInGrace(context: RotationContext, keys: StoredKey[]): Promise<void> {
  for (const key of superseded(context, keys)) await move(context, key, "grace");
}

/** The keys of a slot in a state, the one that entered it first first. */
function inState(keys: StoredKey[], slot: KeySlot, state: KeyState): StoredKey[] {
  return keys
    .filter((key) => key.state === state && fitsSlot(key, slot))
    .sort((a, b) => Date.parse(a.since) - Date.parse(b.since));
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
