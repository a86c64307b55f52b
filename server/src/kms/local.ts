import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Kms } from "../service/ports.ts";
import type { KmsProvider } from "../service/rewrap-ports.ts";
import { parseWrapped, unwrapSecret, wrapSecret } from "./key-wrap.ts";
import {
  fingerprint,
  type MasterKeys,
  openMasterKeys,
  readMasterKeys,
  withNewMasterKey,
  writeMasterKeys,
} from "./master-key-file.ts";
import { rewrapHere } from "./rewrap-here.ts";

/** Runs a task alone among all processes that share a path. */
export type RunAlone = <T>(lock: string, task: () => Promise<T>) => Promise<T>;

/** There is no master key, and none is generated here. */
export class MissingMasterKeyError extends Error {
  override readonly name = "MissingMasterKeyError";
}

type KeyFile = { file: string; runAlone: RunAlone; clock: Clock };
export type LocalKmsOptions = KeyFile & {
  /** Whether a missing key is made. Never in production: there a missing key is somebody's mistake. */
  generate: boolean;
  onError(error: unknown): void;
};

/** How old what a process knows of the file may be. */
const LOOK_AGAIN_MS = 1000;

/**
 * Wraps under master keys from a file. Whoever wraps or unwraps looks whether the file changed, once a second at the most, and at
 * once for a key that is not known: a rotation needs no restart. A file that cannot be read later leaves the keys as they were.
 * @throws MissingMasterKeyError when there is none and `generate` is false.
 */
export async function openLocalKms(options: LocalKmsOptions): Promise<KmsProvider> {
  const { file, generate, onError } = options;
  if (generate && (await readMasterKeys(file)) === undefined) await ensureMasterKey(options);
  let seen = await fingerprint(file);
  let keys = await load(file);
  let lookedAt = performance.now();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      const found = await fingerprint(file);
      if (found !== seen) keys = await load(file);
      seen = found;
    } catch (error) {
      onError(error);
    }
    lookedAt = performance.now();
    looking = undefined;
  }
  const lookAgain = () => {
    looking ??= look();
    return looking;
  };
  const current = async (): Promise<MasterKeys> => {
    if (performance.now() - lookedAt >= LOOK_AGAIN_MS) await lookAgain();
    return keys;
  };

  const kms: Kms = {
    async wrap(secret, context) {
      return wrapSecret((await current()).active, secret, { context });
    },

    async unwrap(text, context) {
      const wrapped = parseWrapped(text);
      if (wrapped === undefined) return undefined;
      if ((await current()).find(wrapped.keyId) === undefined) await lookAgain();
      const master = keys.find(wrapped.keyId);
      const secret = master && unwrapSecret(master, wrapped.sealed, context);
      return secret && { secret, isCurrent: wrapped.keyId === keys.active.id };
    },
  };
  return {
    ...kms,
    rewrap: (wrapped, context) => rewrapHere(kms, wrapped, context),
    [Symbol.dispose]: () => {},
  };
}

/** Makes a new active master key, the first one where there is none. */
export function rotateMasterKey({ file, runAlone, clock }: KeyFile): Promise<void> {
  return alone({ file, runAlone }, async () => {
    await writeMasterKeys(file, withNewMasterKey(await readMasterKeys(file), clock.now()));
  });
}

/** Of several processes that start at once one makes the key; the others find it. */
function ensureMasterKey({ file, runAlone, clock }: KeyFile): Promise<void> {
  return alone({ file, runAlone }, async () => {
    if ((await readMasterKeys(file)) === undefined) {
      await writeMasterKeys(file, withNewMasterKey(undefined, clock.now()));
    }
  });
}

async function alone({ file, runAlone }: Pick<KeyFile, "file" | "runAlone">, task: () => Promise<void>): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await runAlone(`${file}.lock`, task);
}

async function load(file: string): Promise<MasterKeys> {
  const stored = await readMasterKeys(file);
  if (stored === undefined) {
    throw new MissingMasterKeyError(`${file} does not exist: run \`npm run cli -- rotate-kms-key\``);
  }
  return openMasterKeys(stored);
}
