import { MODES } from "./exchange.js";
import { grantOf } from "./token.js";
import { AUTH, errorOf, parse } from "./wire.js";

/**
 * What experiments are made with. They never touch the page's own session: cookies stay out, and what they log in they log
 * out again. `credentials` are those of the login form.
 */
export function createLab({ recorder, credentials, pageToken }) {
  const fetch = recorder.fetchOf("experiment");
  const benches = new Map();

  const post = async (path, body, { token } = {}) => {
    const headers = { "content-type": "application/json", "connect-protocol-version": "1" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(path, { method: "POST", headers, body: text, credentials: "omit" });
    return parse(await response.text());
  };

  const lab = {
    post,
    /** Seals a login as the client does in that mode, and keeps it back. `skewMs`: by a clock that is wrong by so much. */
    async sealLogin(mode, { skewMs = 0 } = {}) {
      const bench = benchOf(mode);
      const who = credentials();
      // The first one learns the server's time, which the skew is added to.
      if (skewMs !== 0 && bench.held === undefined) await bench.client.login(who).catch(() => {});
      bench.held = undefined;
      bench.skewMs = skewMs;
      const error = await bench.client.login(who).catch((caught) => caught);
      bench.skewMs = 0;
      if (bench.held === undefined) throw error;
      return { path: `${AUTH}Login`, text: bench.held, clear: loginText(who) };
    },
    /** A client that really calls. `onAnswer` may give another answer in place of the server's. */
    client(mode, onAnswer = (_path, response) => response) {
      const through = async (input, init) =>
        onAnswer(new URL(input).pathname, await fetch(input, { ...init, credentials: "omit" }), init);
      return newClient(mode, through);
    },
    /** A login in clear, whose tokens a script can see. */
    async openSession() {
      const answer = await post(`${AUTH}Login`, credentials());
      if (answer.mfaRequired) {
        throw Object.assign(new Error("Experiments need a user without a second factor."), { code: "mfa_required" });
      }
      const grant = grantOf(answer);
      if (grant === undefined) throw Object.assign(new Error(answer.message), errorOf(JSON.stringify(answer)));
      return grant;
    },
    /** The page's access token, or that of a session which `done` ends. */
    async borrowToken() {
      const own = pageToken();
      if (own !== undefined) return { token: own, done: async () => {} };
      const { token } = await lab.openSession();
      return { token, done: () => post(`${AUTH}Logout`, {}, { token }) };
    },
    credentials,
  };
  return lab;

  /** One for each mode, so that a channel serves many experiments. */
  function benchOf(mode) {
    const known = benches.get(mode);
    if (known !== undefined) return known;
    const bench = { held: undefined, skewMs: 0, client: undefined };
    const holdBack = async (input, init) => {
      if (!new URL(input).pathname.startsWith(AUTH)) return await fetch(input, { ...init, credentials: "omit" });
      bench.held = new TextDecoder().decode(await new Response(init.body).arrayBuffer());
      throw new Error("held back");
    };
    bench.client = newClient(mode, holdBack, () => performance.now() + bench.skewMs);
    benches.set(mode, bench);
    return bench;
  }

  function newClient(mode, through, monotonicMs) {
    const time = monotonicMs && { monotonicMs };
    const inspect = recorder.inspect;
    return globalThis.configAuth({
      serverUrl: location.origin,
      ...MODES[mode].client,
      fetch: through,
      inspect,
      ...time,
    });
  }
}

export function loginText({ identifier, password }) {
  return JSON.stringify({ identifier, password, use_cookie: true });
}
