import cors from "cors";
import express from "express";

/**
 * A shop on Express. `auth` is what `createAuth` returns, or a test issuer's; `origins` are the pages that may call.
 * @param {{ auth: import("@sello/node-client").Auth, origins: string[] }} options
 */
export function createApp({ auth, origins }) {
  /** @type {{ id: number, item: string, by: string }[]} */
  const orders = [];
  const app = express();
  app.use(cors({ origin: origins }));
  app.use(express.json());

  app.get("/orders", auth.express(), (req, res) => {
    res.json({ orders: orders.filter(({ by }) => by === req.auth.user.username) });
  });

  app.post("/orders", auth.express({ sealed: "required" }), (req, res) => {
    const { item } = req.body;
    if (typeof item !== "string" || item === "") {
      return res.status(400).json({ error: { code: "validation_failed", message: "item: say what you order." } });
    }
    const order = { id: orders.length + 1, item, by: req.auth.user.username };
    orders.push(order);
    return res.status(201).json({ order });
  });

  app.get("/admin", auth.express({ permission: "users:read" }), (req, res) => {
    res.json({ hello: req.auth.user.username, orders: orders.length });
  });

  return app;
}
