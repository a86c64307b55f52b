import { keyFileName, openStoredKey } from "./key-file.ts";
import type { KeyFolder } from "./key-folder.ts";
import type { ReplaceableKeyRing, WantedKeys } from "./key-ring.ts";

const POLL_MS = 1000;

type WatchOptions = { ring: ReplaceableKeyRing; wanted: WantedKeys; onError(error: unknown): void };

/** A key whose file is there and cannot be read stays as it was; what else changed in the folder counts. */
async function loadKeys(folder: KeyFolder, { ring, wanted, onError }: WatchOptions): Promise<void> {
  const { keys, malformed } = await folder.readWhole();
  for (const error of malformed) onError(error);
  const unread = new Set(malformed.map(({ file }) => file));
  const kept = ring.all().filter((key) => unread.has(keyFileName(key)));
  ring.replace([...(await Promise.all(keys.map(openStoredKey))), ...kept], wanted);
}

/**
 * Reads the folder into the ring and keeps the ring as the folder is, a second late at the most. A folder that cannot be read
 * later leaves the ring as it was, and `onError` is told: a server goes on with the keys it has. By polling, since network
 * file systems tell no watcher. Once disposed of, it tells of no error: the folder may be gone.
 */
export async function watchKeys(folder: KeyFolder, options: WatchOptions): Promise<Disposable> {
  let seen = await folder.fingerprint();
  await loadKeys(folder, options);
  let busy = false;
  let over = false;
  const poll = async () => {
    const fingerprint = await folder.fingerprint();
    if (fingerprint === seen) return;
    await loadKeys(folder, options);
    seen = fingerprint;
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    poll()
      .catch((error: unknown) => over || options.onError(error))
      .finally(() => {
        busy = false;
      });
  }, POLL_MS);
  timer.unref();
  return {
    [Symbol.dispose]() {
      over = true;
      clearInterval(timer);
    },
  };
}
