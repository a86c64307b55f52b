import { createAuth } from "@sello/node-client";
import { originsOf, portOf, settings } from "../settings.mjs";
import { createApp } from "./app.mjs";

const auth = createAuth({ address: settings.sello, serviceAccount: process.env.SELLO_SERVICE_ACCOUNT ?? "" });
const server = createApp({ auth, origins: originsOf(process.env) }).listen(portOf(settings.express), "localhost");
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    auth.close();
    server.close();
    server.closeIdleConnections();
  });
}
