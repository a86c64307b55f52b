import cors from "@fastify/cors";
import fastify from "fastify";

const orderSchema = {
  body: { type: "object", required: ["item"], properties: { item: { type: "string", minLength: 1 } } },
};

/**
 * The same shop on Fastify. The schema sees the body that was opened.
 * @param {{ auth: import("@sello/node-client").Auth, origins: string[] }} options
 */
export async function createApp({ auth, origins }) {
  /** @type {{ id: number, item: string, by: string }[]} */
  const orders = [];
  const app = fastify();
  await app.register(cors, { origin: origins });
  app.setErrorHandler((error, _request, reply) => {
    const isCallers = error.statusCode !== undefined && error.statusCode < 500;
    const failure = isCallers
      ? { code: "validation_failed", message: error.message }
      : { code: "internal", message: "The order could not be taken." };
    return reply.code(error.statusCode ?? 500).send({ error: failure });
  });

  app.get("/orders", { preValidation: auth.fastify() }, async (request) => ({
    orders: orders.filter(({ by }) => by === request.auth.user.username),
  }));

  const sealed = auth.fastify({ sealed: "required" });
  app.post("/orders", { preValidation: sealed, schema: orderSchema }, async (request, reply) => {
    const order = { id: orders.length + 1, item: request.body.item, by: request.auth.user.username };
    orders.push(order);
    reply.code(201);
    return { order };
  });

  // All routes of a scope at once.
  app.register(async (admin) => {
    admin.register(auth.fastify({ permission: "users:read" }));
    admin.get("/admin", async (request) => ({ hello: request.auth.user.username, orders: orders.length }));
  });

  return app;
}
