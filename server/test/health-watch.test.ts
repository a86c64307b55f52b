import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { Code } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, onTestFinished, test } from "vitest";
import { startAppForTest } from "./support/start-app.ts";

const WATCH = {
  ":method": "POST",
  ":path": "/grpc.health.v1.Health/Watch",
  "content-type": "application/grpc",
  te: "trailers",
};
const MAX_WATCHERS = 1_000;
const PER_CONNECTION = 50;

/** Begins to watch. Resolves with the status that it was told, or the code by which it was refused. */
async function watch(session: ClientHttp2Session): Promise<{ status?: number; code?: number }> {
  const stream = session.request(WATCH);
  stream.on("error", () => undefined);
  stream.end(encodeEnvelope(0, new Uint8Array()));
  const code = new Promise<{ code: number }>((resolve) => {
    const onHeaders = (headers: Record<string, unknown>) =>
      headers["grpc-status"] !== undefined && resolve({ code: Number(headers["grpc-status"]) });
    stream.on("response", onHeaders);
    stream.on("trailers", onHeaders);
  });
  const status = once(stream, "data").then(([frame]) => ({ status: frame[6] as number }));
  return Promise.race([code, status]);
}

test("Health.Watch takes a thousand watchers, refuses one more, and has room again when a connection is gone", async () => {
  const { url } = await startAppForTest();
  const open = () => {
    const session = connect(url);
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    return session;
  };
  const sessions = Array.from({ length: MAX_WATCHERS / PER_CONNECTION }, open);
  const watchers = sessions.flatMap((session) => Array.from({ length: PER_CONNECTION }, () => watch(session)));
  expect(new Set((await Promise.all(watchers)).map(({ status }) => status))).toStrictEqual(new Set([1]));

  const late = open();
  expect(await watch(late)).toStrictEqual({ code: Code.ResourceExhausted });
  sessions[0]?.destroy();
  await expect.poll(() => watch(late), { timeout: 5_000 }).toStrictEqual({ status: 1 });
});
