import type { Interceptor } from "@connectrpc/connect";
import type { ProtectedData } from "@sello/gen/userdata/v1/userdata_pb";
import type { Authority, DecryptedKey, UserKey, Validated, WrappedUserKey } from "./authority.ts";
import { createConnectGuard } from "./connect-guard.ts";
import { AuthError } from "./errors.ts";
import { createExpressGuard, type ExpressGuard, type ExpressGuardOptions } from "./express-guard.ts";
import { createFastifyGuard, type FastifyGuard, type FastifyGuardOptions } from "./fastify-guard.ts";
import type { GuardDeps, GuardOptions } from "./guard.ts";
import { createKeySet } from "./key-set.ts";
import { createLocalTokens, type LocalTokenOptions } from "./local-tokens.ts";
import { type Opened, type OpenOptions, openBody, type SealedJson } from "./sealed-body.ts";
import { type CacheOptions, createValidate } from "./validate.ts";

/** Every call rejects with an AuthError. */
export type Auth = AsyncDisposable & {
  /** Who holds an access token. Fails with `token_invalid`, `token_expired`, `token_revoked`, `unavailable`. */
  validate(token: string): Promise<Validated>;
  /**
   * Opens a JSON body with `__front_enc__` or `__session_enc__`, which is accepted once. Fails with the `envelope_` reasons,
   * `channel_expired`, `invalid_request`, `unavailable`.
   */
  open<T = unknown>(body: unknown, options: OpenOptions): Promise<Opened<T>>;
  /** The same as `open`. */
  decrypt<T = unknown>(body: unknown, options: OpenOptions): Promise<Opened<T>>;
  /** The same as `opened.seal`. */
  encrypt(opened: Pick<Opened, "seal">, payload: unknown): Promise<SealedJson>;
  /** A new 256-bit key for what is stored of a user, to use, and wrapped, to store. Fails with `validation_failed`, `unavailable`. */
  createUserKey(userId: string, purpose: string): Promise<UserKey>;
  /** Unwraps a key, for the user and the purpose it was made for. Fails with `validation_failed`, `unavailable`. */
  decryptKey(input: WrappedUserKey): Promise<DecryptedKey>;
  /**
   * A user's protected data, for a service account with the scope `users:read_protected`. Each read is in the server's audit. Fails
   * with `validation_failed`, `not_found`, `unavailable`.
   */
  protectedData(userId: string): Promise<ProtectedData>;
  /** Middleware for Express. */
  express(options?: ExpressGuardOptions): ExpressGuard;
  /** A hook or a plugin for Fastify. */
  fastify(options?: FastifyGuardOptions): FastifyGuard;
  /** An interceptor for services of connect-es. */
  connect(options?: GuardOptions): Interceptor;
  /** Whether the server tells of revocations at this moment: until it does, validated tokens are remembered for a second only. */
  readonly isWatching: boolean;
  /** Ends the connection and every call. */
  close(): void;
};

export type AuthOptions = {
  /** For tokens that are signed and not encrypted (`ACCESS_TOKEN_NESTED=false`): reads them here instead of asking the server. */
  localTokens?: LocalTokenOptions;
  cache?: CacheOptions;
  /**
   * Told when the server cannot be asked, stops telling of revocations, or refuses the service account. Default: a process warning,
   * once, for the last of these.
   */
  onProblem?: (error: AuthError) => void;
  /** Milliseconds since 1970. Default: `Date.now`. */
  nowMs?: () => number;
};

/** Everything on top of who answers: the cache, local validation, bodies and guards. */
export function createAuthOn(authority: Authority, options: AuthOptions): Auth {
  const { localTokens, cache = {}, onProblem = warnOnce(), nowMs = Date.now } = options;
  const local = localTokens && createLocalTokens({ ...localTokens, keys: createKeySet(authority), nowMs });
  let closed = false;
  const onLost = (error: AuthError) => {
    if (!closed) onProblem(error);
  };
  const { validate, watch } = createValidate({ authority, local, nowMs, cache, onLost });
  const open: Auth["open"] = (body, openOptions) => openBody(authority, body, openOptions);
  const guards: GuardDeps = {
    validate,
    open,
    onProblem(error) {
      const isCallers = error instanceof AuthError && !PROBLEMS.includes(error.code);
      if (!isCallers) onProblem(error instanceof AuthError ? error : new AuthError("internal", { cause: error }));
    },
  };
  const close = () => {
    closed = true;
    watch.close();
    authority.close();
  };

  return {
    validate,
    open,
    decrypt: open,
    encrypt: ({ seal }, payload) => seal(payload),
    createUserKey: (userId, purpose) => authority.createUserKey(userId, purpose),
    decryptKey: (input) => authority.decryptKey(input),
    protectedData: (userId) => authority.protectedData(userId),
    express: (guardOptions) => createExpressGuard(guards, guardOptions),
    fastify: (guardOptions) => createFastifyGuard(guards, guardOptions),
    connect: (guardOptions) => createConnectGuard(guards, guardOptions),
    get isWatching() {
      return watch.stretch !== undefined;
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}

const PROBLEMS: readonly string[] = ["unavailable", "internal", "service_account_refused"];

function warnOnce(): (error: AuthError) => void {
  let warned = false;
  return (error) => {
    if (warned || error.code !== "service_account_refused") return;
    warned = true;
    process.emitWarning(error.message, "SelloWarning");
  };
}
