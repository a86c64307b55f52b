import type { CheckOrigin } from "./api-origins.ts";
import { bounded } from "./bounded.ts";
import { AuthError, type AuthErrorCode, retryAfterOf } from "./errors.ts";
import { membersOf, parseJson } from "./json.ts";
import type { Fetch } from "./network.ts";
import type { EnvelopeMode, Sealing } from "./sealing.ts";
import type { Authorize } from "./transport.ts";

export type ApiCallOptions = {
  /** Default: POST. A GET has no body to seal: say `envelope: "none"` with it. */
  method?: string;
  headers?: HeadersInit;
  /** Default: the client's. */
  envelope?: EnvelopeMode;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Whether cookies go along. Default: `same-origin`, as in fetch. */
  credentials?: RequestCredentials;
};

export type ApiCall = <T = unknown>(url: string | URL, payload?: unknown, options?: ApiCallOptions) => Promise<T>;

export type ApiCallDeps = {
  fetch: Fetch;
  sealing: Sealing;
  authorize: Authorize;
  checkOrigin: CheckOrigin;
  envelope: EnvelopeMode;
  timeoutMs: number;
};

/** A call to a back end of the application: JSON in, JSON out, with the access token, sealed for the path of the URL. */
export function createApiCall({ fetch, sealing, authorize, checkOrigin, ...defaults }: ApiCallDeps): ApiCall {
  return async <T>(url: string | URL, payload?: unknown, options: ApiCallOptions = {}) => {
    const { signal, timeoutMs = defaults.timeoutMs, envelope = defaults.envelope, method = "POST" } = options;
    const target = readUrl(url);
    checkOrigin(target);
    const hasBody = !/^(GET|HEAD)$/i.test(method);
    if (!hasBody && (envelope !== "none" || payload !== undefined)) {
      throw new AuthError("invalid_request", `A ${method} has no body to carry or to seal a payload.`);
    }

    return (await bounded({ signal, timeoutMs }, (bound) =>
      authorize(bound, async (token) => {
        const send = async (body: unknown) => {
          const headers = new Headers(options.headers);
          if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
          if (hasBody) headers.set("content-type", "application/json");
          const { credentials = "same-origin" } = options;
          const init: RequestInit = { method, headers, credentials, signal: bound };
          if (hasBody) init.body = JSON.stringify(body);
          return await readAnswer(await fetch(target, init));
        };
        if (envelope === "none") return await send(payload ?? {});
        return await sealing.run(envelope, bound, async (seal) => {
          const sealed = await seal(JSON.stringify(payload ?? {}), target.pathname);
          return await sealed.open(membersOf(await send({ [sealed.member]: sealed.envelope }))[sealed.member]);
        });
      }),
    )) as T;
  };
}

/** Relative ones are of the page. @throws AuthError `invalid_request` for what is no URL. */
export function readUrl(url: unknown): URL {
  const base = globalThis.location?.href;
  const isUrl = (typeof url === "string" && URL.canParse(url, base)) || url instanceof URL;
  if (!isUrl) throw new AuthError("invalid_request", "The address of a call must be a URL, as a string or an object.");
  return new URL(url, base);
}

/** The JSON of the answer, undefined when it has none; throws what `{"error":{code,message}}` says, or the status. */
async function readAnswer(response: Response): Promise<unknown> {
  const { status, headers } = response;
  const body = parseJson(await response.text());
  if (response.ok) return body;
  const { code, message } = membersOf(membersOf(body)["error"]);
  const details = { status, retryAfterS: retryAfterOf(headers) };
  if (typeof code === "string") throw new AuthError(code, typeof message === "string" ? message : code, details);
  throw new AuthError(codeOfStatus(status), `The server answered ${status}.`, details);
}

function codeOfStatus(status: number): AuthErrorCode {
  const known: Record<number, AuthErrorCode> = {
    401: "token_invalid",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    429: "rate_limited",
  };
  return known[status] ?? (status > 501 ? "unavailable" : status === 500 ? "internal" : "invalid_request");
}
