import { importRecipient, sealHandshake, sealRequest } from "../../../envelope/dist/index.js";
import { callOnce, jsonPost, loadHttp, requestBytes } from "../load-http.mjs";
import { logIn } from "../product.mjs";

const RPC = "/auth.v1.AuthService/GetMe";
const HANDSHAKE = "/auth/handshake";
const CONNECTIONS = 8;
/** More calls a second than any of them reaches: what is sealed before the clock runs must last. */
const MOST_A_SECOND = { rsa: 1_500, ecdh: 4_000, stateful: 8_000 };
const SEALED_AT_ONCE = 100;

/** The same call in clear and sealed in each way. The client's share of the cryptography is done before the clock runs. */
export async function sealedCall({ product, users, pace }) {
  const { access_token: token } = await logIn(product.port, users[0]);
  const headers = { authorization: `Bearer ${token}`, "connect-protocol-version": "1" };
  const recipients = await readRecipients(product.port);
  const channel = await openChannel(product.port, recipients.get("ECDH-ES"));

  const stateless = (alg) => async () => {
    const now = Math.floor(Date.now() / 1000);
    const { envelope } = await sealRequest(recipients.get(alg), "{}", { binding: RPC, now });
    return jsonPost(RPC, { __front_enc__: envelope }, headers);
  };
  const stateful = async () => {
    const { envelope } = await channel.seal("{}", RPC);
    return jsonPost(RPC, { __session_enc__: envelope }, headers);
  };
  const clear = jsonPost(RPC, {}, headers);
  const load = (durationMs, next) => loadHttp({ port: product.port, connections: CONNECTIONS, durationMs, next });
  const sealed = (seal, mostASecond) => async (durationMs) => {
    const requests = await sealAll(seal, Math.ceil((mostASecond * durationMs) / 1000));
    return load(durationMs, () => taken(requests));
  };

  const samples = await pace.measure({
    clear: (ms) => load(ms, () => clear),
    rsa: sealed(stateless("RSA-OAEP-256"), MOST_A_SECOND.rsa),
    ecdh: sealed(stateless("ECDH-ES"), MOST_A_SECOND.ecdh),
    stateful: sealed(stateful, MOST_A_SECOND.stateful),
  });
  const row = (what, product, against, baseline, target) => ({
    what,
    unit: "/s",
    product: samples[product],
    baseline: { what: against, samples: samples[baseline] },
    target,
  });
  return [
    row("GetMe sealed in a channel", "stateful", "the same call in clear", "clear", 0.8),
    row("GetMe sealed, stateless ECDH-ES", "ecdh", "the same call in clear", "clear"),
    row("GetMe sealed, stateless ECDH-ES", "ecdh", "stateless RSA-3072", "rsa", 4),
    row("GetMe sealed, stateless RSA-3072", "rsa", "the same call in clear", "clear"),
  ];
}

async function sealAll(seal, count) {
  const requests = [];
  while (requests.length < count) {
    requests.push(...(await Promise.all(Array.from({ length: SEALED_AT_ONCE }, seal))));
  }
  return requests;
}

function taken(requests) {
  const request = requests.pop();
  if (request === undefined) throw new Error("the sealed requests ran out: MOST_A_SECOND is too low");
  return request;
}

async function readRecipients(port) {
  const { body } = await callOnce(port, requestBytes({ method: "GET", path: "/.well-known/jwks.json" }));
  const recipients = new Map();
  for (const key of JSON.parse(body).keys) {
    if (key.use === "enc_front" && !recipients.has(key.alg)) recipients.set(key.alg, await importRecipient(key));
  }
  return recipients;
}

async function openChannel(port, recipient) {
  const now = Math.floor(Date.now() / 1000);
  const { envelope, openAnswer } = await sealHandshake(recipient, { binding: HANDSHAKE, now });
  const { body } = await callOnce(port, jsonPost(HANDSHAKE, { __front_enc__: envelope }));
  const { channel } = await openAnswer(JSON.parse(body).__front_enc__);
  return channel;
}
