import type { Kms, WrapContext } from "./ports.ts";

/** Takes what is wrapped to the newest master key. */
export type Rewrapper = {
  /**
   * The same secret under the newest master key: another text, or the same one where nothing has to change. Undefined when it
   * does not open. @throws AuthError `unavailable`
   */
  rewrap(wrapped: string, context: WrapContext): Promise<string | undefined>;
};

/** A KMS as it is opened: what it holds open ends with it. */
export type KmsProvider = Kms & Rewrapper & Disposable;
