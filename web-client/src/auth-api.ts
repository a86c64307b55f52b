import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type {
  AuthService,
  LoginResponse,
  RegisterResponse,
  VerifyMfaResponse,
} from "@sello/gen/auth/v1/auth_service_pb";
import type { PublicDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { bounded } from "./bounded.ts";
import { type AuthSession, type AuthUser, sessionOf, userOf } from "./people.ts";
import type { Grant, Session } from "./session.ts";
import { toAuthError } from "./to-auth-error.ts";

export type CallOptions = { signal?: AbortSignal; timeoutMs?: number };

export type Registration = {
  email: string;
  username: string;
  password: string;
  dataPublic?: MessageInitShape<typeof PublicDataSchema>;
};

/** A login goes on: its user has a second factor. Nobody is logged in yet. */
export type MfaChallenge = {
  mfaRequired: true;
  /** For `verifyMfa`. */
  challenge: string;
  /** What the code may be: `totp`, of an authenticator app, or `recovery_code`. */
  methods: string[];
  /** For how many seconds it is good. */
  expiresIn: number;
};

/** The user, or the challenge of one with a second factor: `mfaRequired` tells them apart. */
export type LoginResult = (AuthUser & { mfaRequired?: never }) | MfaChallenge;

/** What a page does with accounts. Each rejects with an AuthError, and takes a signal. */
export type AuthApi = {
  /** Creates an account and logs in. */
  register(who: Registration, options?: CallOptions): Promise<AuthUser>;
  /** `identifier` is the email or the username. A user with a second factor is logged in by `verifyMfa` only. */
  login(who: { identifier: string; password: string }, options?: CallOptions): Promise<LoginResult>;
  /** The second half of a login: `code` is of the authenticator app, or a recovery code. */
  verifyMfa(answer: { challenge: string; code: string }, options?: CallOptions): Promise<AuthUser>;
  /**
   * Proves once more who the user is, after a call that failed with `reauthentication_required`: make that call again then.
   * `code` is for users with a second factor.
   */
  reauthenticate(proof: { password: string; code?: string }, options?: CallOptions): Promise<void>;
  /** Takes up the session of the cookie after a page load; undefined when there is none. */
  restore(options?: CallOptions): Promise<AuthUser | undefined>;
  /** Refreshes the token now, though nothing asks for it. */
  refresh(options?: CallOptions): Promise<AuthUser | undefined>;
  /** Ends the session, here at once. Where it rejects the server may not know yet: call it again. */
  logout(options?: CallOptions): Promise<void>;
  /** The user, as of now. */
  me(options?: CallOptions): Promise<AuthUser>;
  changePassword(
    passwords: { currentPassword: string; newPassword: string },
    options?: CallOptions,
  ): Promise<{ revokedSessions: number }>;
  listSessions(
    page?: { pageSize?: number; pageToken?: string },
    options?: CallOptions,
  ): Promise<{ sessions: AuthSession[]; nextPageToken: string }>;
  revokeSession(sessionId: string, options?: CallOptions): Promise<void>;
};

export type AuthApiDeps = {
  /** Sends calls as they are. */
  open: Client<typeof AuthService>;
  /** Sends them with the session's token. */
  authorized: Client<typeof AuthService>;
  session: Session;
  timeoutMs: number;
};

type Answer = LoginResponse | RegisterResponse | VerifyMfaResponse;

type Ask<T> = (call: { signal: AbortSignal }) => Promise<T>;

const REFUSED = "refresh_";

function grantOf({ accessToken, expiresIn, user }: Answer): Grant {
  return { accessToken, expiresInS: expiresIn, user: userOf(user) };
}

export function createAuthApi({ open, authorized, session, timeoutMs: defaultMs }: AuthApiDeps): AuthApi {
  const bounds = ({ signal, timeoutMs = defaultMs }: CallOptions = {}) => ({ signal, timeoutMs });
  const start = <T extends object>(options: CallOptions | undefined, ask: Ask<Grant | T>): Promise<AuthUser | T> =>
    bounded(bounds(options), (signal) => session.begin<T>(signal, () => ask({ signal })));
  const begin = (options: CallOptions | undefined, ask: Ask<Answer>) =>
    start<never>(options, async (call) => grantOf(await ask(call)));

  return {
    register: (who, options) => begin(options, (call) => open.register({ ...who, useCookie: true }, call)),
    login: (who, options) =>
      start<MfaChallenge>(options, async (call) => {
        const answer = await open.login({ ...who, useCookie: true }, call);
        const { mfaRequired, mfaChallenge: challenge, mfaMethods: methods, expiresIn } = answer;
        return mfaRequired ? { mfaRequired, challenge, methods, expiresIn } : grantOf(answer);
      }),
    verifyMfa: ({ challenge, code }, options) =>
      begin(options, (call) => open.verifyMfa({ mfaChallenge: challenge, code, useCookie: true }, call)),
    reauthenticate: (proof, options) =>
      session.replaceToken(async () => {
        const { accessToken, expiresIn } = await authorized.reauthenticate(proof, options);
        return { accessToken, expiresInS: expiresIn };
      }),
    async restore(options) {
      try {
        await bounded(bounds(options), (signal) => session.restore(signal));
      } catch (error) {
        if (!toAuthError(error).code.startsWith(REFUSED)) throw error;
      }
      return session.state.user;
    },
    async refresh(options) {
      await bounded(bounds(options), (signal) => session.renew(signal));
      return session.state.user;
    },
    logout: (options) =>
      bounded(bounds(options), (signal) =>
        session.end(signal, async (token) => {
          await open.logout(
            {},
            { signal, ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }) },
          );
        }),
      ),
    async me(options) {
      const user = userOf((await authorized.getMe({}, options)).user);
      session.replaceUser(user);
      return user;
    },
    async changePassword(passwords, options) {
      const { revokedSessions } = await authorized.changePassword(passwords, options);
      return { revokedSessions };
    },
    async listSessions(page = {}, options) {
      const { sessions, nextPageToken } = await authorized.listSessions(page, options);
      return { sessions: sessions.map(sessionOf), nextPageToken };
    },
    async revokeSession(sessionId, options) {
      await authorized.revokeSession({ sessionId }, options);
    },
  };
}
