import type { TestApp } from "../../../server/test/support/start-app.ts";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/index.ts";
import type { Fetch } from "../../src/network.ts";

export const ORIGIN = "https://app.example.com";

export type Sent = { path: string; body: string; authorization: string | null };
/** Answers in the server's place, or lets the request go on when it likes. */
export type Intercept = (go: () => Promise<Response>, sent: Sent) => Promise<Response>;

/** What a browser is to a page: a cookie jar, an origin, and a network that a test can look at and get in the way of. */
export type TestBrowser = {
  fetch: Fetch;
  sent: Sent[];
  /** How many requests the path has had, an RPC's by the name of its method. */
  count(name: string): number;
  /** From now on; what it returns ends it. */
  intercept(name: string, intercept: Intercept): () => void;
  /** The next request to the path waits. */
  hold(name: string): { arrived: Promise<void>; release(): void };
  /** Nothing is answered until it is over. */
  cutOff(): () => void;
  cookies: Map<string, string>;
  /** A page of its own in this browser. */
  openTab(options?: Partial<AuthClientOptions>): AuthClient;
  /** Time goes by, here and on the server. */
  pass(seconds: number): void;
};

export function openBrowser(server: TestApp): TestBrowser {
  const cookies = new Map<string, string>();
  const sent: Sent[] = [];
  const intercepts = new Set<{ name: string; intercept: Intercept }>();
  let passedMs = 0;

  const fetch: Fetch = async (input, init = {}) => {
    const { pathname } = new URL(input);
    const headers = new Headers(init.headers);
    headers.set("origin", ORIGIN);
    const withCookies = init.credentials === "include";
    if (withCookies) headers.set("cookie", [...cookies].map((pair) => pair.join("=")).join("; "));
    const request = {
      path: pathname,
      body: await new Response(init.body ?? null).text(),
      authorization: headers.get("authorization"),
    };
    sent.push(request);
    const go = async () => {
      const { body, ...rest } = init;
      const response = await globalThis.fetch(input, {
        ...rest,
        headers,
        // Connect sends bytes; a copy of them passes for a body wherever the types of fetch come from.
        ...(body != null && {
          body: typeof body === "string" ? body : new Uint8Array(body as Uint8Array<ArrayBuffer>),
        }),
      });
      if (withCookies) keep(cookies, response.headers);
      const bytes = await response.arrayBuffer();
      const shown = new Headers(response.headers);
      shown.set("date", server.clock.now().toUTCString());
      return new Response(bytes.byteLength > 0 ? bytes : null, { status: response.status, headers: shown });
    };
    const found = [...intercepts].find(({ name }) => name === "" || pathname.endsWith(name));
    return found ? await abortable(found.intercept(go, request), init.signal) : await go();
  };

  const intercept: TestBrowser["intercept"] = (name, run) => {
    const entry = { name, intercept: run };
    intercepts.add(entry);
    return () => intercepts.delete(entry);
  };
  return {
    fetch,
    sent,
    cookies,
    intercept,
    count: (name) => sent.filter(({ path }) => path.endsWith(name)).length,
    hold(name) {
      const [arrived, released] = [latch(), latch()];
      const end = intercept(name, async (go) => {
        end();
        arrived.open();
        await released.opened;
        return await go();
      });
      return { arrived: arrived.opened, release: released.open };
    },
    cutOff: () => intercept("", () => Promise.reject(new TypeError("Failed to fetch"))),
    openTab(options = {}) {
      const monotonicMs = () => performance.now() + passedMs;
      return createAuthClient({ baseUrl: server.url, fetch, monotonicMs, ...options });
    },
    pass(seconds) {
      server.clock.advance(seconds);
      passedMs += seconds * 1000;
    },
  };
}

function keep(cookies: Map<string, string>, headers: Headers): void {
  for (const cookie of headers.getSetCookie()) {
    const [pair = "", ...attributes] = cookie.split("; ");
    const [name = "", value = ""] = pair.split("=");
    if (attributes.includes("Max-Age=0")) cookies.delete(name);
    else cookies.set(name, value);
  }
}

function abortable<T>(answer: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason));
    answer.then(resolve, reject);
  });
}

function latch(): { opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
