import type { Kms, WrapContext } from "../service/ports.ts";

type Ends = { from: Pick<Kms, "unwrap">; to: Pick<Kms, "wrap"> };

/** Takes a secret out of one wrap and into a newer one, in this process. It is erased here afterwards. */
export async function rewrapAcross({ from, to }: Ends, wrapped: string, context: WrapContext) {
  const opened = await from.unwrap(wrapped, context);
  if (opened === undefined) return undefined;
  try {
    return await to.wrap(opened.secret, context);
  } finally {
    opened.secret.fill(0);
  }
}

/** The same within one provider, which leaves what is current as it is. */
export async function rewrapHere(kms: Kms, wrapped: string, context: WrapContext): Promise<string | undefined> {
  const opened = await kms.unwrap(wrapped, context);
  if (opened === undefined) return undefined;
  opened.secret.fill(0);
  return opened.isCurrent ? wrapped : rewrapAcross({ from: kms, to: kms }, wrapped, context);
}
