/** Passes a stream on, and puts another error in the place of the one that it ends with. */
export async function* mapFailure<T>(messages: AsyncIterable<T>, map: (error: unknown) => unknown): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw map(error);
  }
}

/** Passes a stream on for as long as nothing speaks against it: fails with what `ask` rejects with, before the next message. */
export async function* askBeforeEach<T>(messages: AsyncIterable<T>, ask: () => Promise<unknown>): AsyncIterable<T> {
  for await (const message of messages) {
    await ask();
    yield message;
  }
}

export type StreamEnd = { how: "finished" | "left" } | { how: "failed"; error: unknown };

/** Passes a stream on, and tells how it ended: by itself, by an error, or because its reader left. */
export async function* watchEnd<T>(messages: AsyncIterable<T>, onEnd: (end: StreamEnd) => void): AsyncIterable<T> {
  let end: StreamEnd = { how: "left" };
  try {
    yield* messages;
    end = { how: "finished" };
  } catch (error) {
    end = { how: "failed", error };
    throw error;
  } finally {
    onEnd(end);
  }
}
