import { callOnce, jsonPost, loadHttp, requestBytes } from "../load-http.mjs";
import { logIn } from "../product.mjs";

const CHAINS = 8;
const PATH = "/auth/token/refresh";

/** A refresh is one call, one rotation and one issue. A chain of tokens a connection. */
export async function refresh({ product, users, peers, children, pace, databaseUrl }) {
  const first = await logIn(product.port, users[0]);
  const { access_token: token } = first;
  const { body: me } = await callOnce(
    product.port,
    requestBytes({ method: "GET", path: "/auth/me", headers: { authorization: `Bearer ${token}` } }),
  );
  const { user } = JSON.parse(me);
  const { user: _user, ...tokens } = first;
  const sessions = await Promise.all(Array.from({ length: 2 * CHAINS }, (_, i) => logIn(product.port, users[i])));
  const chains = sessions.map((session) => session.refresh_token);
  const { oidc } = await peers();

  const [stock, rotation, crypto] = await Promise.all([
    children.fork("src/servers/connect-echo.mjs", { me: "{}", tokens: JSON.stringify(tokens) }),
    children.fork("src/limits/rotation.mjs", { databaseUrl, tokens: chains.slice(CHAINS) }),
    children.fork("src/limits/token-crypto.mjs", { user }),
  ]);
  const echoed = jsonPost("/auth.v1.AuthService/RefreshToken", { refresh_token: first.refresh_token });
  const samples = await pace.measure({
    product: (ms) => loadHttp({ port: product.port, connections: CHAINS, durationMs: ms, next: follow(chains) }),
    echo: (ms) => loadHttp({ port: stock.port, connections: CHAINS, durationMs: ms, next: () => echoed }),
    sql: (ms) => rotation.ask(ms),
    crypto: (ms) => crypto.ask({ operation: "rawIssue", ms }),
    oidc: (ms) => loadHttp({ port: oidc.port, connections: CHAINS, durationMs: ms, next: oidc.nextRefresh }),
  });
  await Promise.all([stock, rotation, crypto].map((child) => child.stop()));

  const together = samples.echo.map((echo, i) => 1 / (1 / echo + 1 / samples.sql[i] + 1 / samples.crypto[i]));
  const row = (what, baseline, target) => ({
    what: "Refresh",
    unit: "/s",
    product: samples.product,
    baseline: { what, samples: baseline },
    target,
  });
  return [
    row("one echo, one rotation and one issue after the other", together, 0.6),
    row("stock connect-node echo of its messages", samples.echo),
    row("the rotation's SQL alone, 8 connections", samples.sql),
    row("the raw cryptography of one issue, 1 thread", samples.crypto),
    row("oidc-provider, refresh with rotation", samples.oidc, 1),
  ];
}

/** Presents the successor that the last answer on a connection brought. @param {string[]} chains */
function follow(chains) {
  return (i, last) => {
    if (last !== undefined) chains[i] = JSON.parse(last.body).refresh_token;
    return jsonPost(PATH, { refresh_token: chains[i] });
  };
}
