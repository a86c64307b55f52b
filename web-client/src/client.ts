import { createClient, type Transport } from "@connectrpc/connect";
import type { CurveName, FrontAlg } from "@sello/envelope";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { type ApiCall, createApiCall, readUrl } from "./api-call.ts";
import { createCheckOrigin } from "./api-origins.ts";
import { type AuthApi, createAuthApi } from "./auth-api.ts";
import { createAuthorize } from "./authorize.ts";
import { createChannels } from "./channels.ts";
import { checkOptions } from "./check-options.ts";
import type { AuthError } from "./errors.ts";
import { createHandshake } from "./handshake.ts";
import { createKeySet } from "./key-set.ts";
import { createMfaApi, type MfaApi } from "./mfa-api.ts";
import { createNetwork, type Fetch } from "./network.ts";
import type { AuthUser } from "./people.ts";
import type { Pins } from "./pins.ts";
import { createRefresh } from "./refresh.ts";
import { createSealing, type EnvelopeMode, type Exchange } from "./sealing.ts";
import { createServerTime } from "./server-time.ts";
import { type AuthState, createSession } from "./session.ts";
import { createTransport } from "./transport.ts";
import { createWithKeys } from "./with-keys.ts";

export type AuthClientOptions = {
  /** Where Sello answers, without a path of its own: `https://auth.example.com`. */
  baseUrl: string;
  /**
   * Where else calls may go with the token: exact origins, `https://api.example.com`. The page's own origin and the server's
   * always may. A call to any other is `invalid_request`, and nothing is sent.
   */
  apiOrigins?: readonly string[];
  /** How calls are sealed. Default: `stateful`. */
  envelope?: EnvelopeMode;
  /** Which of the server's front keys to seal for, where it has both. Default: `ECDH-ES`. */
  alg?: FrontAlg;
  /** The curve of a channel's key agreement, which makes it forward-secret; `none` leaves that out. Default: `P-256`. */
  keyShare?: CurveName | "none";
  /** Keys known from elsewhere, a JWK or a JWK Set: the server's must be among them. */
  publicKey?: Pins;
  /** How long a call may take, retries included. Default: 30 s. */
  timeoutMs?: number;
  /** The server has ended the session: ask for a login. Not called for a `logout()`. */
  onLogout?: (reason: AuthError) => void;
  /** Sees every sealed call and every handshake in clear text and sealed. For a playground; it sees passwords too. */
  inspect?: (exchange: Exchange) => void;
  /** In place of the browser's. */
  fetch?: Fetch;
  /** Milliseconds that only go forward, in place of `performance.now`. */
  monotonicMs?: () => number;
};

export type AuthClient = AuthApi &
  MfaApi & {
    readonly user: AuthUser | undefined;
    readonly isLoggedIn: boolean;
    /** Calls the listener after every change of `user` and `isLoggedIn`; what it returns ends that. */
    subscribe(listener: (state: AuthState) => void): () => void;
    apiCall: ApiCall;
    /** For generated clients of this server's other services: token, refresh and envelopes included. */
    transport: Transport;
    /** The same for services at another address. @throws AuthError `invalid_request` for one that `apiOrigins` does not name. */
    transportTo(baseUrl: string, options?: { envelope?: EnvelopeMode }): Transport;
  };

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * A client of one server. It keeps what it knows in memory: a page load begins with `restore()`.
 * @throws TypeError for an option that is none.
 */
export function createAuthClient(options: AuthClientOptions): AuthClient {
  checkOptions(options);
  const { envelope = "stateful", timeoutMs = DEFAULT_TIMEOUT_MS, onLogout } = options;
  const { keyShare = "P-256", apiOrigins = [], monotonicMs = () => performance.now() } = options;
  const baseUrl = withoutSlash(options.baseUrl);
  const checkOrigin = createCheckOrigin(baseUrl, apiOrigins);
  const bareFetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const time = createServerTime(monotonicMs);
  const fetch = createNetwork(bareFetch);
  /** Cookies go to the server that owns them, and its answers tell the time. */
  const authFetch = createNetwork(
    (input, init) => bareFetch(input, { ...init, credentials: "include" }),
    ({ headers }) => time.note(headers),
  );

  const keys = createKeySet({ baseUrl, fetch, time, prefer: options.alg ?? "ECDH-ES", pins: options.publicKey });
  const withKeys = createWithKeys(keys);
  const curve = keyShare === "none" ? undefined : keyShare;
  const send = createHandshake({ baseUrl, fetch: authFetch, timeoutMs });
  const { inspect } = options;
  const channels = createChannels({ keys, withKeys, time, monotonicMs, keyShare: curve, send, inspect });
  const sealing = createSealing({ withKeys, channels, time, inspect });

  const ours = { baseUrl, fetch: authFetch, sealing, envelope, timeoutMs };
  const open = createClient(AuthService, createTransport(ours));
  const session = createSession({ refresh: createRefresh(open), monotonicMs });
  const authorize = createAuthorize(session);
  const transport = createTransport({ ...ours, authorize });
  const authorized = createClient(AuthService, transport);
  if (onLogout) session.subscribe(({ endedBy }) => endedBy && onLogout(endedBy));

  return {
    ...createAuthApi({ open, authorized, session, timeoutMs }),
    ...createMfaApi({ factors: createClient(MfaService, transport), session }),
    get user() {
      return session.state.user;
    },
    get isLoggedIn() {
      return session.state.isLoggedIn;
    },
    subscribe: session.subscribe,
    apiCall: createApiCall({ fetch, sealing, authorize, checkOrigin, envelope, timeoutMs }),
    transport,
    transportTo(address, { envelope: mode = envelope } = {}) {
      checkOrigin(readUrl(address));
      return createTransport({ baseUrl: withoutSlash(address), fetch, sealing, timeoutMs, envelope: mode, authorize });
    },
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}
