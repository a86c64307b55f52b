import { connect, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createBreaker, within } from "../src/service/breaker.ts";

const never = () => new Promise<never>(() => {});

/** An answer that is on its way while the process stands still for `pauseMs`, as when a container is throttled. */
async function answeredDuringAPause(pauseMs: number): Promise<string> {
  const server = createServer((socket) => socket.on("data", () => socket.end("answer")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = server.address() as { port: number };
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const answer = new Promise<string>((resolve) => socket.once("data", (bytes) => resolve(bytes.toString())));
  socket.write("question");
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs));
  return answer;
}

test("an answer that came while the process stood still is not late", async () => {
  expect(await within(100, answeredDuringAPause(300), "Redis")).toBe("answer");
});

test("a store that does not answer is given up in time, and is asked again after a second", async () => {
  let now = 0;
  let asked = 0;
  const breaker = createBreaker({ store: "Redis", deadlineMs: 20, elapsedMs: () => now });
  const ask = (answer: () => Promise<string>) =>
    breaker(() => {
      asked += 1;
      return answer();
    });
  await expect(ask(never)).rejects.toThrow("did not answer within 20 ms");
  await expect(ask(async () => "up")).rejects.toThrow("the breaker is open");
  now = 999;
  await expect(ask(async () => "up")).rejects.toThrow("the breaker is open");
  expect(asked).toBe(1);
  now = 1_000;
  expect(await ask(async () => "up")).toBe("up");
  expect(await ask(async () => "up")).toBe("up");
});

test("one call looks whether the store is back; the others do not wait for it", async () => {
  let now = 0;
  const breaker = createBreaker({ store: "Redis", deadlineMs: 20, elapsedMs: () => now });
  await expect(breaker(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  now = 1_000;
  const probe = breaker(never);
  await expect(breaker(async () => "up")).rejects.toThrow("the breaker is open");
  await expect(probe).rejects.toThrow("did not answer");
});
