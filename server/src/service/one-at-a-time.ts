export type OneAtATime = <T>(key: string, task: () => Promise<T>) => Promise<T>;

/**
 * Runs the tasks of one key one after the other, within this process. Around changes that hold a row: those of one user would
 * otherwise wait for each other on as many connections to the database, and keep them from everybody else.
 */
export function createOneAtATime(): OneAtATime {
  const last = new Map<string, Promise<void>>();
  return async (key, task) => {
    const running = (last.get(key) ?? Promise.resolve()).then(task);
    const settled = running.then(ignore, ignore);
    last.set(key, settled);
    try {
      return await running;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}

function ignore(): void {}
