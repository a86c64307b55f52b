import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { createBreaker } from "../service/breaker.ts";

export type VaultRequest = { method: "GET" | "POST"; path: string; token: string; body?: Record<string, unknown> };
/** An answer that is Vault's word on the request. */
export type VaultAnswer = { status: number; body: VaultBody };
export type VaultBody = { data?: Record<string, unknown>; auth?: Record<string, unknown>; errors?: unknown };

export type VaultHttp = Disposable & {
  /** @throws VaultError when Vault is away, sealed, busy, or answers what is no answer. */
  send(request: VaultRequest): Promise<VaultAnswer>;
};
export type VaultHttpOptions = { address: string; namespace: string | undefined; ca: Buffer | undefined };

/** What Vault could not do, in words that hold nothing of what it said: an answer may repeat what was sent. */
export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly status: number | undefined;
  /** How long it asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, more: { status?: number; retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.status = more.status;
    this.retryAfterMs = more.retryAfterMs;
  }
}

const DEADLINE_MS = 1_000;
const OPEN_MS = 1_000;
/** A `Retry-After` beyond this is not believed: a minute of a busy hour must not stop a server for the hour. */
const LONGEST_RETRY_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_SOCKETS = 32;

/** What is met on a connection that the other end closed. */
const CLOSED = ["ECONNRESET", "EPIPE"];

/** Answers that say nothing of the request. */
const AWAY: Record<number, string> = {
  412: "lags behind what it confirmed before",
  429: "is busy, or a standby",
  472: "is a standby for disaster recovery",
  473: "is a standby for performance",
  500: "failed",
  502: "cannot be reached by its proxy",
  503: "is sealed, or down for maintenance",
  504: "is not answered for by its proxy",
};

/**
 * Sends requests over connections that stay open. Each has a second; after a failure all fail at once for another one, or for
 * as long as Vault asked. Redirects are not followed: they would take the token elsewhere.
 */
export function createVaultHttp({ address, namespace, ca }: VaultHttpOptions): VaultHttp {
  const url = new URL(address);
  const pooled = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agent = url.protocol === "https:" ? new HttpsAgent({ ...pooled, ...(ca && { ca }) }) : new HttpAgent(pooled);
  const open = url.protocol === "https:" ? requestHttps : requestHttp;
  const breaker = createBreaker({
    store: "Vault",
    deadlineMs: DEADLINE_MS,
    openMs: (failure) => (failure instanceof VaultError ? failure.retryAfterMs : undefined) ?? OPEN_MS,
  });

  function exchange({ method, path, token, body }: VaultRequest, signal: AbortSignal): Promise<Received> {
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      "x-vault-request": "true",
      "x-vault-token": token,
      ...(namespace !== undefined && { "x-vault-namespace": namespace }),
      ...(content && { "content-type": "application/json", "content-length": content.length }),
    };
    return new Promise((resolve, reject) => {
      const request = open(new URL(`/v1/${path}`, url), { method, agent, headers, signal });
      request.on("error", (error) => reject(Object.assign(error, { reused: request.reusedSocket })));
      request.on("response", (response) => receive(response).then(resolve, reject));
      request.end(content);
    });
  }

  /** A connection that Vault closed while it was idle: the request never got there, or does no harm a second time. */
  function exchangeOnOpen(request: VaultRequest, signal: AbortSignal): Promise<Received> {
    return exchange(request, signal).catch((error: { code?: string; reused?: boolean }) => {
      if (error.reused !== true || !CLOSED.includes(error.code ?? "")) throw error;
      return exchangeOnOpen(request, signal);
    });
  }

  return {
    async send(request) {
      const abort = new AbortController();
      try {
        return await breaker(async () => understand(await exchangeOnOpen(request, abort.signal)));
      } catch (error) {
        abort.abort();
        if (error instanceof VaultError) throw error;
        throw new VaultError(`Vault could not be asked: ${(error as Error).message}`, { cause: error });
      }
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

type Received = { status: number; text: string; retryAfter: string | undefined };

async function receive(response: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new VaultError("Vault answered more than it can have to say");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return { status: response.statusCode ?? 0, text, retryAfter: response.headers["retry-after"] };
}

function understand({ status, text, retryAfter }: Received): VaultAnswer {
  const away = AWAY[status] ?? (status >= 300 && status < 400 ? "sends elsewhere, and is not followed" : undefined);
  if (away !== undefined) {
    throw new VaultError(`Vault ${away} (${status})`, { status, retryAfterMs: readRetryAfter(retryAfter) });
  }
  return { status, body: parse(text, status) };
}

function readRetryAfter(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Math.min(Number(text) * 1_000, LONGEST_RETRY_MS) : undefined;
}

function parse(text: string, status: number): VaultBody {
  if (text === "") return {};
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as VaultBody;
  } catch {
    // Told below, in words of our own: the parser's quote the text.
  }
  throw new VaultError(`Vault answered what is no JSON object (${status})`, { status });
}
