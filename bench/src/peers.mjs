import { callOnce, jsonPost, requestBytes } from "./load-http.mjs";
import { freePort, PASSWORD } from "./product.mjs";

const CHAINS = 8;

/** The peers, each with a database of its own on the product's PostgreSQL, and the requests that they answer. */
export async function startPeers({ children, postgres, users }) {
  const [better, oidc] = await Promise.all([
    startBetterAuth(children, await postgres.createDatabase("better_auth"), users),
    startOidcProvider(children, await postgres.createDatabase("oidc_provider")),
  ]);
  return { better, oidc };
}

async function startBetterAuth(children, databaseUrl, users) {
  const port = await freePort();
  await children.fork("peers/better-auth.mjs", { port, databaseUrl });
  const origin = { origin: `http://127.0.0.1:${port}` };
  const accounts = users.map((name) => ({ email: `${name}@example.com`, password: PASSWORD, name }));
  let cookie;
  for (const account of accounts) {
    const { headers } = await callOnce(port, jsonPost("/api/auth/sign-up/email", account, origin));
    cookie = /set-cookie: ([^;]+)/i.exec(headers)?.[1];
  }
  const signIns = accounts.map(({ email, password }) =>
    jsonPost("/api/auth/sign-in/email", { email, password }, origin),
  );
  const getSession = requestBytes({ method: "GET", path: "/api/auth/get-session", headers: { cookie } });
  const { body } = await callOnce(port, getSession);
  if (JSON.parse(body)?.user === undefined) throw new Error(`better-auth knows no session: ${body}`);
  let turn = 0;
  return { port, getSession, nextSignIn: () => signIns[turn++ % signIns.length] };
}

async function startOidcProvider(children, databaseUrl) {
  const port = await freePort();
  const settings = { port, databaseUrl, chains: CHAINS };
  const { minted, authorization } = await children.fork("peers/oidc-provider.mjs", settings);
  const post = (path, form) =>
    requestBytes({
      method: "POST",
      path,
      headers: { authorization, "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
    });
  const introspect = post("/token/introspection", { token: minted[0].accessToken });
  const { body } = await callOnce(port, introspect);
  if (JSON.parse(body).active !== true) throw new Error(`oidc-provider knows no token: ${body}`);
  const chains = minted.map(({ refreshToken }) => refreshToken);
  return {
    port,
    introspect,
    nextRefresh(i, last) {
      if (last !== undefined) chains[i] = JSON.parse(last.body).refresh_token;
      return post("/token", { grant_type: "refresh_token", refresh_token: chains[i] });
    },
  };
}
