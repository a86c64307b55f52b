import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { type Bodies, createBodies } from "../src/http/body.ts";
import { createBodyBudget } from "../src/http/body-budget.ts";

const IP = "192.0.2.1";

/** A request whose client left, and which has said so, before anybody listened. */
async function leftRequest(): Promise<IncomingMessage> {
  const request = new IncomingMessage(new Socket());
  request.on("error", () => undefined);
  const closed = new Promise((resolve) => request.once("close", resolve));
  request.push("half of ");
  request.destroy();
  await closed;
  return request;
}

async function passAll(bodies: Bodies, request: IncomingMessage): Promise<number> {
  let size = 0;
  for await (const chunk of bodies.pass(request, IP)) size += chunk.byteLength;
  return size;
}

test("a body whose client left before it was read is invalid_request at once, and holds nothing", async () => {
  const budget = createBodyBudget(1_000);
  const bodies = createBodies(budget);
  for (let i = 0; i < 100; i++) {
    await expect(bodies.read(await leftRequest(), { limit: 1_000, ip: IP })).rejects.toMatchObject({
      reason: "invalid_request",
    });
  }
  // All that one address may have.
  budget.take(IP, 16 * 1024 * 1024);
});

test("one that is passed on in pieces fails at once, too", async () => {
  await expect(passAll(createBodies(createBodyBudget(1_000)), await leftRequest())).rejects.toThrow();
});

test("a body whose client leaves while it is read is invalid_request", async () => {
  const request = new IncomingMessage(new Socket());
  const reading = createBodies(createBodyBudget(1_000)).read(request, { limit: 1_000, ip: IP });
  request.push("half of ");
  request.destroy();
  await expect(reading).rejects.toMatchObject({ reason: "invalid_request" });
});
