import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { AuthService, LoginResponse, RegisterResponse } from "@sello/gen/auth/v1/auth_service_pb";
import type { PublicDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { bounded } from "./bounded.ts";
import { type AuthSession, type AuthUser, sessionOf, userOf } from "./people.ts";
import type { Session } from "./session.ts";
import { toAuthError } from "./to-auth-error.ts";

export type CallOptions = { signal?: AbortSignal; timeoutMs?: number };

export type Registration = {
  email: string;
  username: string;
  password: string;
  dataPublic?: MessageInitShape<typeof PublicDataSchema>;
};

/** What a page does with accounts. Each rejects with an AuthError, and takes a signal. */
export type AuthApi = {
  /** Creates an account and logs in. */
  register(who: Registration, options?: CallOptions): Promise<AuthUser>;
  /** `identifier` is the email or the username. */
  login(who: { identifier: string; password: string }, options?: CallOptions): Promise<AuthUser>;
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

type Answer = LoginResponse | RegisterResponse;

const REFUSED = "refresh_";

export function createAuthApi({ open, authorized, session, timeoutMs: defaultMs }: AuthApiDeps): AuthApi {
  const bounds = ({ signal, timeoutMs = defaultMs }: CallOptions = {}) => ({ signal, timeoutMs });
  const begin = (options: CallOptions | undefined, ask: (call: { signal: AbortSignal }) => Promise<Answer>) =>
    bounded(bounds(options), (signal) =>
      session.begin(signal, async () => {
        const { accessToken, expiresIn, user } = await ask({ signal });
        return { accessToken, expiresInS: expiresIn, user: userOf(user) };
      }),
    );

  return {
    register: (who, options) => begin(options, (call) => open.register({ ...who, useCookie: true }, call)),
    login: (who, options) => begin(options, (call) => open.login({ ...who, useCookie: true }, call)),
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
