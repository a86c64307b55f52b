/** What a wrapped secret is bound to: it opens for the same purpose and the same subject only. */
export type WrapContext = { purpose: string; subject: string };

/** Wraps short secrets, data keys above all, under a master key that stays with its provider. */
export type Kms = {
  /** @throws AuthError `unavailable` */
  wrap(secret: Uint8Array, context: WrapContext): Promise<string>;
  /**
   * The secret, and whether it is wrapped under the newest master key; undefined when it does not open, whatever the cause.
   * The bytes are the caller's own, to clear when they are done with. `remembered: false` asks the provider, whatever is
   * remembered: for who is about to write.
   * @throws AuthError `unavailable`
   */
  unwrap(
    wrapped: string,
    context: WrapContext,
    how?: Unwrapping,
  ): Promise<{ secret: Buffer; isCurrent: boolean } | undefined>;
};
export type Unwrapping = { remembered?: boolean | undefined };
