/** What `children.fork` told this process at its start. */
export const settings = JSON.parse(process.argv[2] ?? "{}");

/** Says that the process is ready; it ends with the bench. @param {object} value */
export function ready(value = {}) {
  process.on("disconnect", () => process.exit());
  process.on("SIGTERM", () => process.exit());
  process.send?.({ ready: value });
}

/** Answers what the bench asks. @param {(question: any) => unknown} answer */
export function onAsk(answer) {
  process.on("message", async ({ ask }) => {
    try {
      process.send?.({ answer: await answer(ask) });
    } catch (error) {
      process.send?.({ failure: error instanceof Error ? error.stack : String(error) });
    }
  });
}

/**
 * How often a second an operation runs, one after the other, for `ms` milliseconds.
 * @param {(i: number) => unknown} operation
 * @param {number} ms
 */
export async function rateOf(operation, ms) {
  const end = performance.now() + ms;
  const start = performance.now();
  let count = 0;
  while (performance.now() < end) {
    const result = operation(count++);
    if (result instanceof Promise) await result;
  }
  return count / ((performance.now() - start) / 1000);
}
