import { once } from "node:events";
import { createServer } from "node:net";
import { callOnce, jsonPost, loadHttp, openConnection, requestBytes } from "./load-http.mjs";
import { main } from "./paths.mjs";

const START_MS = 30_000;
const POLL_MS = 5;
export const PASSWORD = "correct horse, nine staples";
export const READY = requestBytes({ method: "GET", path: "/readyz" });

/** Nothing in the way of the load, everything else as it is by default. */
const ENV = {
  LOG_LEVEL: "warn",
  RATE_LIMIT_LOGIN_IP: "off",
  RATE_LIMIT_LOGIN_ACCOUNT: "off",
  RATE_LIMIT_REGISTER_IP: "off",
  RATE_LIMIT_REFRESH_IP: "off",
  LOCKOUT_THRESHOLD: "1000000",
};

/**
 * A running product, and how many seconds passed from the spawn to its first `/readyz`.
 * @param {ReturnType<import("./children.mjs").createChildren>} children
 * @param {{ env: Record<string, string>, profileDir?: string }} options
 */
export async function startProduct(children, { env, profileDir }) {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const args = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  const start = performance.now();
  const child = children.spawn(main, {
    args,
    env: { DATABASE_URL: "", REDIS_URL: "", ...ENV, PORT: String(port), METRICS_PORT: String(metricsPort), ...env },
  });
  while (!(await isReady(port))) {
    if (child.exitCode !== null) throw new Error(`the product ended with code ${child.exitCode}`);
    if (performance.now() - start > START_MS) throw new Error("the product does not get ready");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const startS = (performance.now() - start) / 1000;
  return { port, pid: /** @type {number} */ (child.pid), startS, stop: () => children.stop(child) };
}

async function isReady(port) {
  try {
    const connection = await openConnection(port);
    const { status } = await connection.send(READY);
    connection.close();
    return status === 200;
  } catch (error) {
    if (error.code === "ECONNREFUSED") return false;
    throw error;
  }
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** Users who can log in. @param {number} port @param {number} count */
export async function registerUsers(port, count) {
  const names = Array.from({ length: count }, (_, i) => `bench${i}`);
  const bodies = names.map((username) => ({ username, email: `${username}@example.com`, password: PASSWORD }));
  for (const body of bodies) await callOnce(port, jsonPost("/auth/register", body));
  return names;
}

/** A new session. @param {number} port @param {string} identifier */
export async function logIn(port, identifier) {
  const { body } = await callOnce(port, jsonPost("/auth/login", { identifier, password: PASSWORD }));
  return JSON.parse(body);
}

/**
 * Logins a second, at concurrency 8, spread over the users.
 * @param {number} port
 * @param {string[]} users
 * @param {number} durationMs
 */
export function loadLogin(port, users, durationMs) {
  const requests = users.map((identifier) => jsonPost("/auth/login", { identifier, password: PASSWORD }));
  let turn = 0;
  return loadHttp({ port, connections: 8, durationMs, next: () => requests[turn++ % requests.length] });
}
