import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import {
  Access,
  access,
  permission,
  RateLimit,
  rate_limit,
  recent_authentication,
  scope,
  success_status,
} from "@sello/gen/auth/v1/policy_pb";
import { isPermission } from "../domain/permissions.ts";
import type { RateLimitName } from "../service/ports.ts";

/** What the contract declares of an RPC beside its messages. */
export type MethodPolicy = {
  access: Exclude<Access, Access.UNSPECIFIED>;
  /** What a service account needs; empty for RPCs that are not for service accounts. */
  scope: string;
  /** What the bearer needs; empty where any bearer will do. */
  permission: string;
  recentAuthentication: boolean;
  rateLimit: RateLimitName | undefined;
  successStatus: number;
};

const LIMITS: Record<RateLimit, RateLimitName | undefined> = {
  [RateLimit.UNSPECIFIED]: undefined,
  [RateLimit.LOGIN]: "login_ip",
  [RateLimit.REGISTER]: "register_ip",
  [RateLimit.REFRESH]: "refresh_ip",
  [RateLimit.HANDSHAKE]: "handshake_ip",
};

export type Policies = { of(method: DescMethod): MethodPolicy };

/** Reads the options once: `getOption` parses at each call. @throws Error when an RPC does not say who may call it. */
export function readPolicies(services: DescService[]): Policies {
  const policies = new Map<DescMethod, MethodPolicy>();
  for (const method of services.flatMap((service) => service.methods)) policies.set(method, readPolicy(method));
  return {
    of(method) {
      const policy = policies.get(method);
      if (policy === undefined) throw new Error(`${method.parent.typeName}/${method.name} is not served`);
      return policy;
    },
  };
}

function readPolicy(method: DescMethod): MethodPolicy {
  const who = getOption(method, access);
  if (who === Access.UNSPECIFIED) {
    throw new Error(`${method.parent.typeName}/${method.name} does not declare (auth.v1.access)`);
  }
  const needed = getOption(method, scope);
  if ((who === Access.SERVICE) !== (needed !== "")) {
    throw new Error(
      `${method.parent.typeName}/${method.name}: an RPC for service accounts, and no other, declares a scope`,
    );
  }
  const forBearer = { permission: getOption(method, permission), recent: getOption(method, recent_authentication) };
  if (who !== Access.BEARER && (forBearer.permission !== "" || forBearer.recent)) {
    throw new Error(`${method.parent.typeName}/${method.name}: only an RPC for bearers asks for more of the bearer`);
  }
  if (forBearer.permission !== "" && !isPermission(forBearer.permission)) {
    throw new Error(`${method.parent.typeName}/${method.name}: ${forBearer.permission} is no permission`);
  }
  return {
    access: who,
    scope: needed,
    permission: forBearer.permission,
    recentAuthentication: forBearer.recent,
    rateLimit: LIMITS[getOption(method, rate_limit)],
    successStatus: hasOption(method, success_status) ? getOption(method, success_status) : 200,
  };
}
