import type { Config } from "./config.ts";
import { DEMO_USER } from "./demo.ts";
import { isLoopback } from "./domain/address.ts";
import type { Log } from "./telemetry/log.ts";

/** A server that listens, as a developer sees it. */
export type Listening = {
  url: string;
  /** `port 9464` or `ports 9464 to 9467`. */
  metricsPorts: string;
  /** The stores that it brought itself. */
  embedded: string[];
  /** Whether the demo user can log in. */
  demo: boolean;
};

const LOGIN = "auth.v1.AuthService/Login";

/** What a developer sees first: where it runs, what to try, and what is embedded. */
export function greeting({ url, metricsPorts, embedded, demo }: Listening, config: Config): string {
  const base = url.replace("127.0.0.1", "localhost");
  const body = JSON.stringify({ identifier: DEMO_USER.username, password: DEMO_USER.password });
  const api = base + config.basePath;
  const [curl, buf] = config.tls === undefined ? ["curl -s", "--http2-prior-knowledge"] : ["curl -sk", "-k"];
  const logins = [
    `${curl} ${api}/auth/login -H 'content-type: application/json' -d '${body}'`,
    `npx buf curl ${buf} --protocol grpc -d '${body}' ${base}/auth.v1.AuthService/Login`,
  ];
  const takesClearLogins = (config.sealing.exceptions.get(LOGIN) ?? config.sealing.rule) === "plain-allowed";
  const toTry = [...(demo && takesClearLogins ? logins : []), `${curl} ${base}/.well-known/jwks.json`];
  return `
  Sello is listening on ${base}   (metrics on ${metricsPorts})
  Playground: ${base}/playground

  Try:
    ${toTry.join("\n    ")}

  Embedded: ${embedded.length === 0 ? "nothing; all stores are your own" : embedded.join("; ")}
`;
}

/** Says what a server for development leaves open, where others can reach it. */
export function warnWhenExposed(config: Config, log: Log): void {
  if (config.environment !== "development" || isLoopback(config.host)) return;
  log.warn(
    `APP_ENV is development and HOST is ${config.host}: to whoever reaches this port, reflection is on, missing keys were ` +
      `made by the server, and FRONT_ENC_AAD is ${config.frontEncAad}; there is no demo user. ` +
      "Set APP_ENV=production, or HOST=127.0.0.1",
  );
}
