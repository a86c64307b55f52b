import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { Access, access, RateLimit, rate_limit, scope, success_status } from "@sello/gen/auth/v1/policy_pb";
import type { RateLimitName } from "../service/ports.ts";

/** What the contract declares of an RPC beside its messages. */
export type MethodPolicy = {
  access: Exclude<Access, Access.UNSPECIFIED>;
  /** What a service account needs; empty for RPCs that are not for service accounts. */
  scope: string;
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
  return {
    access: who,
    scope: needed,
    rateLimit: LIMITS[getOption(method, rate_limit)],
    successStatus: hasOption(method, success_status) ? getOption(method, success_status) : 200,
  };
}
