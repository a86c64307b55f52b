import { openStoredKey } from "./key-file.ts";
import type { KeyFolder } from "./key-folder.ts";
import type { ReplaceableKeyRing, WantedKeys } from "./key-ring.ts";

const POLL_MS = 1000;

async function loadKeys(folder: KeyFolder, ring: ReplaceableKeyRing, wanted: WantedKeys): Promise<void> {
  const stored = await folder.read();
  ring.replace(await Promise.all(stored.map(openStoredKey)), wanted);
}

/**
 * Reads the folder into the ring and keeps the ring as the folder is, a second late at the most. A folder that cannot be read
 * later leaves the ring as it was, and `onError` is told: a server goes on with the keys it has. By polling, since network
 * file systems tell no watcher.
 */
export async function watchKeys(
  folder: KeyFolder,
  options: { ring: ReplaceableKeyRing; wanted: WantedKeys; onError(error: unknown): void },
): Promise<Disposable> {
  let seen = await folder.fingerprint();
  await loadKeys(folder, options.ring, options.wanted);
  let busy = false;
  const poll = async () => {
    const fingerprint = await folder.fingerprint();
    if (fingerprint === seen) return;
    await loadKeys(folder, options.ring, options.wanted);
    seen = fingerprint;
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    poll()
      .catch(options.onError)
      .finally(() => {
        busy = false;
      });
  }, POLL_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
