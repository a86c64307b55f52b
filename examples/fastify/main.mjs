import { createAuth } from "@sello/node-client";
import { originsOf, portOf, settings } from "../settings.mjs";
import { createApp } from "./app.mjs";

const auth = createAuth({ address: settings.sello, serviceAccount: process.env.SELLO_SERVICE_ACCOUNT ?? "" });
const app = await createApp({ auth, origins: originsOf(process.env) });
await app.listen({ port: portOf(settings.fastify), host: "localhost" });
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    auth.close();
    void app.close();
  });
}
