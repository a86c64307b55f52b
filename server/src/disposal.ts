/** Resources that close together, the last one first. What Node 24 has as `AsyncDisposableStack`. */
export type Disposal = AsyncDisposable & { defer(close: () => unknown): void };

export function createDisposal(): Disposal {
  const closers: (() => unknown)[] = [];
  return {
    defer: (close) => {
      closers.push(close);
    },
    /** Closes everything, whatever fails on the way. @throws the first failure. */
    async [Symbol.asyncDispose]() {
      const failures: unknown[] = [];
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** Builds something from resources. When that fails half-way, those that were opened are closed again. */
export async function building<T>(build: (disposal: Disposal) => Promise<T>): Promise<T> {
  const disposal = createDisposal();
  try {
    return await build(disposal);
  } catch (error) {
    // The first failure is the one to tell.
    await Promise.resolve(disposal[Symbol.asyncDispose]()).catch(() => undefined);
    throw error;
  }
}
