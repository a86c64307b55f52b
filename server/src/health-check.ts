import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { readEnvironment } from "./config.ts";

/** Longer than any answer that is one, shorter than the time-out of the container's check. */
const ANSWER_MS = 2_000;
/** What a server listens on that listens everywhere, and where it is found then. */
const EVERYWHERE: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

// The command of a container's health: exit code 0 while the server of this environment lives. Not /readyz: to restart every
// replica because a store is away would make the outage longer.
const { config } = readEnvironment();
const send = config.tls === undefined ? httpRequest : httpsRequest;
const request = send(
  {
    host: EVERYWHERE[config.host] ?? config.host,
    port: config.port,
    path: "/healthz",
    timeout: ANSWER_MS,
    // Its certificate is for its public name, and nobody is between.
    rejectUnauthorized: false,
  },
  (response) => process.exit(response.statusCode === 200 ? 0 : 1),
);
request.on("timeout", () => process.exit(1));
request.on("error", () => process.exit(1));
request.end();
