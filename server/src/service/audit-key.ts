import type { AuditKeys } from "./audit-chain-ports.ts";
import type { Kms, WrapContext } from "./ports.ts";

/** No purpose of a user's key reads like this one: no back end can have it opened. */
export const auditKeyContext: WrapContext = { purpose: "audit-chain", subject: "seals" };

export type AuditKeyDeps = { kms: Kms; auditKeys: AuditKeys; randomKey(): Buffer };

/**
 * The key of the chain. The first server makes it; it is wrapped anew when the master key is not the newest.
 * @throws Error when it does not open, or is gone though the chain has begun; AuthError `unavailable`.
 */
export async function openAuditKey(deps: AuditKeyDeps): Promise<Buffer> {
  const existing = await deps.auditKeys.find();
  if (existing === undefined) await deps.auditKeys.create(await deps.kms.wrap(deps.randomKey(), auditKeyContext));
  const { secret, isCurrent, wrapped } = await unwrapAuditKey(deps);
  if (!isCurrent) await deps.auditKeys.replace(wrapped, await deps.kms.wrap(secret, auditKeyContext));
  return secret;
}

/** The same for who only looks: nothing is made or written. */
export async function readAuditKey(deps: Pick<AuditKeyDeps, "kms" | "auditKeys">): Promise<Buffer> {
  return (await unwrapAuditKey(deps)).secret;
}

async function unwrapAuditKey(deps: Pick<AuditKeyDeps, "kms" | "auditKeys">) {
  const wrapped = await deps.auditKeys.find();
  if (wrapped === undefined) throw new Error("the key of the audit chain is gone from audit_key");
  const opened = await deps.kms.unwrap(wrapped, auditKeyContext);
  if (opened === undefined) throw new Error("the key of the audit chain does not open under this KMS key");
  return { ...opened, wrapped };
}
