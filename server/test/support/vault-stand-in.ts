import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

type Token = { ttlS: number; expiresAt: number; renewable: boolean };
type TransitKey = { type: string; derived: boolean; convergent: boolean; versions: Buffer[] };
type Seen = { method: string; path: string; token: string; namespace: string | undefined };
type Answer = { status: number; body?: unknown; headers?: Record<string, string> };

/**
 * A stand-in for Vault: the paths of the HTTP API that Sello calls, with Vault's cryptography (AES-256-GCM under keys that HKDF makes
 * of the context), its statuses and its words. Not Vault: no policies, no storage, one namespace.
 */
export type VaultStandIn = {
  address: string;
  token: string;
  transitKey: string;
  /** What was asked, in order. */
  seen: Seen[];
  keys: Map<string, TransitKey>;
  tokens: Map<string, Token>;
  rotate(): void;
  addToken(life?: Partial<Token>): string;
  /** Answers every request so, until told otherwise with undefined. */
  answerAll(answer: Answer | undefined): void;
  /** Refuses what begins so, as a policy would. */
  deny(...prefixes: string[]): void;
  /** Takes requests and never answers. */
  beSilent(silent: boolean): void;
  /** Closes every connection, as for idling, and goes on. */
  dropConnections(): void;
  /** Closes the port and every connection; `start` opens the same port again. */
  stop(): Promise<void>;
  start(): Promise<void>;
};
export type StandInOptions = { tls?: { cert: Buffer; key: Buffer }; key?: Partial<TransitKey> };

export async function startVaultStandIn(options: StandInOptions = {}): Promise<VaultStandIn> {
  const transitKey = "sello";
  const keys = new Map<string, TransitKey>([
    [
      transitKey,
      { type: "aes256-gcm96", derived: true, convergent: false, versions: [randomBytes(32)], ...options.key },
    ],
  ]);
  const tokens = new Map<string, Token>();
  const seen: Seen[] = [];
  let always: Answer | undefined;
  let silent = false;
  let denied: string[] = [];
  let port = 0;
  let server: Server;

  const addToken = (life: Partial<Token> = {}) => {
    const token = `hvs.${randomBytes(18).toString("base64url")}`;
    const ttlS = life.ttlS ?? 0;
    tokens.set(token, {
      ttlS,
      expiresAt: ttlS === 0 ? Number.POSITIVE_INFINITY : Date.now() + ttlS * 1_000,
      renewable: false,
      ...life,
    });
    return token;
  };

  const listener: RequestListener = async (request, response) => {
    const call = describe(request);
    const body = await readBody(request);
    seen.push(call);
    if (silent) return;
    write(response, always ?? answer({ ...call, body }, { keys, tokens, denied }));
  };

  const start = async () => {
    server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  };
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await start();
  onTestFinished(stop);
  return {
    address: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
    token: addToken(),
    transitKey,
    seen,
    keys,
    tokens,
    rotate: () => keys.get(transitKey)?.versions.push(randomBytes(32)),
    addToken,
    answerAll: (answered) => {
      always = answered;
    },
    deny: (...prefixes) => {
      denied = prefixes;
    },
    beSilent: (isSilent) => {
      silent = isSilent;
    },
    dropConnections: () => server.closeAllConnections(),
    stop,
    start,
  };
}

type Call = Seen & { body: Record<string, unknown> };
type State = { keys: Map<string, TransitKey>; tokens: Map<string, Token>; denied: string[] };

function answer(call: Call, { keys, tokens, denied }: State): Answer {
  const token = tokens.get(call.token);
  if (token === undefined || token.expiresAt <= Date.now()) return errors(403, "permission denied", "invalid token");
  if (denied.some((prefix) => call.path.startsWith(prefix))) return errors(403, "permission denied");
  const [engine, operation = "", name = "", more] = call.path.split("/");
  if (engine === "auth") return answerToken(`${operation}/${name}`, token);
  if (engine !== "transit") return errors(404, `no handler for route "${call.path}". route entry not found.`);
  const key = keys.get(name);
  if (operation === "keys" && more === "rotate") {
    key?.versions.push(randomBytes(32));
    return { status: 204 };
  }
  if (operation === "keys")
    return key === undefined ? errors(404) : { status: 200, body: { data: metadata(name, key) } };
  if (key === undefined) return errors(400, "encryption key not found");
  const use = USES[operation];
  return use === undefined ? errors(404, "unsupported path") : use(key, call.body);
}

function answerToken(operation: string, token: Token): Answer {
  if (operation === "token/lookup-self") return { status: 200, body: { data: lifeOf(token) } };
  if (operation !== "token/renew-self") return errors(404, "unsupported path");
  if (!token.renewable) return errors(400, "lease is not renewable");
  token.expiresAt = Date.now() + token.ttlS * 1_000;
  return { status: 200, body: { auth: { lease_duration: token.ttlS, renewable: true } } };
}

function lifeOf({ ttlS, expiresAt, renewable }: Token) {
  if (ttlS === 0) return { ttl: 0, expire_time: null, renewable };
  const ttl = Math.max(0, Math.floor((expiresAt - Date.now()) / 1_000));
  return { ttl, expire_time: new Date(expiresAt).toISOString(), renewable };
}

const USES: Record<string, (key: TransitKey, body: Record<string, unknown>) => Answer> = {
  encrypt(key, { plaintext, context }) {
    if (key.derived && typeof context !== "string") return errors(400, "missing 'context' for key derivation");
    return { status: 200, body: { data: encrypt(key, Buffer.from(String(plaintext), "base64"), String(context)) } };
  },
  decrypt(key, { ciphertext, context }) {
    const plaintext = decrypt(key, String(ciphertext), String(context));
    if (typeof plaintext === "string") return errors(400, plaintext);
    return { status: 200, body: { data: { plaintext: plaintext.toString("base64") } } };
  },
  rewrap(key, { ciphertext, context }) {
    const plaintext = decrypt(key, String(ciphertext), String(context));
    if (typeof plaintext === "string") return errors(400, plaintext);
    return { status: 200, body: { data: encrypt(key, plaintext, String(context)) } };
  },
};

function encrypt(key: TransitKey, plaintext: Buffer, context: string) {
  const version = key.versions.length;
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyFor(key, version, context), iv);
  const sealed = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return { ciphertext: `vault:v${version}:${sealed.toString("base64")}`, key_version: version };
}

/** The plaintext, or what Vault says of a text that does not open. */
function decrypt(key: TransitKey, ciphertext: string, context: string): Buffer | string {
  const [, digits = "", encoded = ""] = /^vault:v(\d+):(.*)$/s.exec(ciphertext) ?? [];
  if (digits === "") return "invalid ciphertext: no prefix";
  const version = Number(digits);
  if (version > key.versions.length) return "invalid ciphertext: version is too new";
  const sealed = Buffer.from(encoded, "base64");
  if (sealed.length < 28) return "invalid ciphertext length";
  const decipher = createDecipheriv("aes-256-gcm", keyFor(key, version, context), sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  } catch {
    return "cipher: message authentication failed";
  }
}

function keyFor({ versions, derived }: TransitKey, version: number, context: string): Buffer {
  const key = versions[version - 1] ?? Buffer.alloc(32);
  return derived ? Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), Buffer.from(context, "base64"), 32)) : key;
}

function metadata(name: string, { type, derived, convergent, versions }: TransitKey) {
  return {
    name,
    type,
    derived,
    convergent_encryption: convergent,
    latest_version: versions.length,
    min_decryption_version: 1,
  };
}

function errors(status: number, ...messages: string[]): Answer {
  return { status, body: { errors: messages } };
}

function describe(request: IncomingMessage): Seen {
  const { method = "", url = "", headers } = request;
  const namespace = headers["x-vault-namespace"];
  return {
    method,
    path: url.replace(/^\/v1\//, ""),
    token: String(headers["x-vault-token"]),
    namespace: namespace === undefined ? undefined : String(namespace),
  };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
}

function write(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" || body === undefined ? body : JSON.stringify(body));
}
