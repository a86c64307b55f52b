import type { Interceptor } from "@connectrpc/connect";
import { Access } from "@sello/gen/auth/v1/policy_pb";
import { AuthError } from "../domain/errors.ts";
import { type AuthenticateDeps, authenticate } from "../service/authenticate.ts";
import { edgeKey } from "./edge.ts";
import type { Policies } from "./policies.ts";

/** Lets a call on only when its RPC is for everybody or the caller is who the RPC is for. */
export function accessInterceptor(policies: Policies, deps: AuthenticateDeps): Interceptor {
  return (next) => async (request) => {
    if (policies.of(request.method).access === Access.BEARER) {
      const token = bearerToken(request.header);
      if (token === undefined) throw new AuthError("token_missing");
      request.contextValues.get(edgeKey).bearer = await authenticate(deps, token);
    }
    return next(request);
  };
}

/** The token of `Authorization: Bearer` (RFC 6750 section 2.1). A token anywhere else, in a URL say, is not looked at. */
export function bearerToken(headers: Headers): string | undefined {
  return /^bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
}
