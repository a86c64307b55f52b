import { randomBytes } from "node:crypto";
import { open, readFile, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { MASTER_KEY_BYTES, type MasterKey } from "./key-wrap.ts";

/** The master keys of a file: one that wraps, and those that only unwrap. */
export type MasterKeys = { active: MasterKey; find(id: string): MasterKey | undefined };

type StoredMasterKey = { id: string; key: string; created_at: string };
export type StoredMasterKeys = { active: string; keys: StoredMasterKey[] };

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Undefined when there is no such file. @throws Error that says what is wrong, and nothing of what the file holds. */
export async function readMasterKeys(file: string): Promise<StoredMasterKeys | undefined> {
  const text = await readFile(file, "utf8").catch(ignoreMissing);
  if (text === undefined) return undefined;
  const stored = parse(text);
  if (stored === undefined) throw new Error(`${file} is not a file of master keys`);
  return stored;
}

/** Replaces the file whole: a reader finds the old keys or the new ones. Only for who holds the lock. */
export async function writeMasterKeys(file: string, keys: StoredMasterKeys): Promise<void> {
  const unfinished = `${file}.unfinished`;
  const handle = await open(unfinished, "w", 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(keys, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
  await syncFolder(dirname(file));
}

/** What changes when the file changes. */
export async function fingerprint(file: string): Promise<string> {
  const found = await stat(file).catch(ignoreMissing);
  return `${found?.mtimeMs}:${found?.ino}:${found?.size}`;
}

/** Another active master key; those before it stay, to unwrap what they wrapped. */
export function withNewMasterKey(stored: StoredMasterKeys | undefined, now: Date): StoredMasterKeys {
  const id = randomBytes(8).toString("hex");
  const key = randomBytes(MASTER_KEY_BYTES).toString("base64url");
  return { active: id, keys: [{ id, key, created_at: now.toISOString() }, ...(stored?.keys ?? [])] };
}

/** @throws Error for a list without its active key. */
export function openMasterKeys(stored: StoredMasterKeys): MasterKeys {
  const keys = new Map(stored.keys.map(({ id, key }) => [id, { id, key: Buffer.from(key, "base64url") }]));
  const active = keys.get(stored.active);
  if (active === undefined) throw new Error("the file of master keys lacks its active key");
  return { active, find: (id) => keys.get(id) };
}

function parse(text: string): StoredMasterKeys | undefined {
  const value = parseJson(text) as Partial<StoredMasterKeys> | null | undefined;
  if (typeof value !== "object" || value === null || !Array.isArray(value.keys)) return undefined;
  const valid = value.keys.every(isStoredKey) && value.keys.some(({ id }) => id === value.active);
  return valid ? (value as StoredMasterKeys) : undefined;
}

function isStoredKey(value: unknown): value is StoredMasterKey {
  const { id, key, created_at: createdAt } = (value ?? {}) as Record<string, unknown>;
  if (typeof id !== "string" || typeof key !== "string" || typeof createdAt !== "string") return false;
  const bytes = Buffer.from(key, "base64url");
  return ID.test(id) && bytes.length === MASTER_KEY_BYTES && bytes.toString("base64url") === key;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A rename is on the disk when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
