import type { Validated } from "./authority.ts";
import { AuthError } from "./errors.ts";
import { findSealed, type Opened, type OpenOptions } from "./sealed-body.ts";

export type Sealing = "optional" | "required" | "off";

export type GuardOptions = {
  /**
   * Whether bodies may be sealed, must be, or are left alone. The answer to a sealed request is sealed under the same key, by
   * channel or not as the client chose; errors travel in clear. Default: `optional`.
   */
  sealed?: Sealing;
  /** A permission that the user must have, `orders:read` for instance; `orders:*`, `*:read` and `*:*` include it. */
  permission?: string;
  /** A role that the user must have. */
  role?: string;
};

/** Who calls, as a guard hands it on. */
export type Caller = Validated & {
  /** Whether the request was sealed, and so will be its answer. */
  readonly sealed: boolean;
};

export type GuardDeps = {
  validate(token: string): Promise<Validated>;
  open(body: unknown, options: OpenOptions): Promise<Opened>;
  /** Told of what kept the guard from deciding. */
  onProblem(error: unknown): void;
};

export type Guard = {
  sealed: Sealing;
  /** Who the header names, allowed to pass. @throws AuthError `token_…`, `forbidden`, `unavailable`. */
  authorize(authorization: string | undefined): Promise<Validated>;
  /** The opened body; undefined for one that is in clear and may be. @throws AuthError `envelope_…` and others. */
  open(body: unknown, binding: string): Promise<Opened | undefined>;
  onProblem(error: unknown): void;
};

/** What every framework's guard does, in its order: who calls, may they, and what they sealed. */
export function createGuard(deps: GuardDeps, options: GuardOptions = {}): Guard {
  const { sealed = "optional", permission, role } = options;
  return {
    sealed,
    onProblem: deps.onProblem,

    async authorize(authorization) {
      const token = bearerToken(authorization);
      if (token === undefined) throw new AuthError("token_missing");
      const validated = await deps.validate(token);
      const { roles, permissions } = validated.user;
      if (permission !== undefined && !includesPermission(permissions, permission)) throw new AuthError("forbidden");
      if (role !== undefined && !roles.includes(role)) throw new AuthError("forbidden");
      return validated;
    },

    async open(body, binding) {
      if (sealed === "off") return undefined;
      if (sealed === "optional" && findSealed(body) === undefined) return undefined;
      return deps.open(body, { binding });
    },
  };
}

/** `*` stands for the whole of one side, or of both, as on the server. */
function includesPermission(granted: readonly string[], asked: string): boolean {
  const [resource, action] = asked.split(":");
  return [asked, `${resource}:*`, `*:${action}`, "*:*"].some((permission) => granted.includes(permission));
}

/** The token of `Authorization: Bearer` (RFC 6750 section 2.1). A token in a URL is not looked at. */
function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

/** The path of a request's URL as the client called it, without the query. */
export function bindingOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? "";
  return path.startsWith("/") || !URL.canParse(path) ? path : new URL(path).pathname;
}
