import type { Interceptor } from "@connectrpc/connect";
import { Access } from "@sello/gen/auth/v1/policy_pb";
import { AuthError } from "../domain/errors.ts";
import { isGranted } from "../domain/permissions.ts";
import { type AuthenticateDeps, authenticate } from "../service/authenticate.ts";
import { type AuthenticateServiceDeps, authenticateService } from "../service/authenticate-service.ts";
import type { ServiceAccount } from "../service/backend-ports.ts";
import type { Bearer } from "../service/ports.ts";
import { type RecentAuthenticationDeps, requireRecentAuthentication } from "../service/recent-authentication.ts";
import { type Edge, edgeKey } from "./edge.ts";
import type { MethodPolicy, Policies } from "./policies.ts";
import { askBeforeEach } from "./streams.ts";

/**
 * Lets a call on only when its RPC is for everybody or the caller is who the RPC is for. Of a stream to a service account that
 * is asked again before each message: it ends as soon as the account would be refused.
 */
export function accessInterceptor(policies: Policies, deps: AccessDeps): Interceptor {
  return (next) => async (request) => {
    const policy = policies.of(request.method);
    if (policy.access === Access.PUBLIC) return next(request);
    const token = bearerToken(request.header);
    if (token === undefined) throw new AuthError("token_missing");
    const edge = request.contextValues.get(edgeKey);
    const authorize = () => authorizeService(deps, { policy, edge, secret: token });
    if (policy.access === Access.BEARER) edge.bearer = await authorizeBearer(deps, policy, token);
    else edge.service = await authorize();
    const response = await next(request);
    if (!response.stream || edge.service === undefined) return response;
    return { ...response, message: askBeforeEach<unknown>(response.message, authorize) as typeof response.message };
  };
}

type AccessDeps = AuthenticateDeps & AuthenticateServiceDeps & RecentAuthenticationDeps;

/** What the caller may do is asked first: who may not does not learn that a fresh login would help. */
async function authorizeBearer(deps: AccessDeps, policy: MethodPolicy, token: string): Promise<Bearer> {
  const bearer = await authenticate(deps, token);
  if (policy.permission !== "" && !isGranted(bearer.user.permissions, policy.permission)) {
    throw new AuthError("forbidden", { message: `This needs the permission ${policy.permission}.` });
  }
  if (policy.recentAuthentication) requireRecentAuthentication(deps, bearer);
  return bearer;
}

async function authorizeService(
  deps: AuthenticateServiceDeps,
  { policy, edge, secret }: { policy: MethodPolicy; edge: Edge; secret: string },
): Promise<ServiceAccount> {
  const account = await authenticateService(deps, { secret, clientCertificate: edge.clientCertificate });
  if (!account.scopes.includes(policy.scope)) {
    throw new AuthError("forbidden", { message: `This needs the scope ${policy.scope}.` });
  }
  return account;
}

/** The token of `Authorization: Bearer` (RFC 6750 section 2.1). A token anywhere else, in a URL say, is not looked at. */
export function bearerToken(headers: Headers): string | undefined {
  return /^bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}
