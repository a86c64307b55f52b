const messages = {
  envelope_invalid: "The envelope could not be opened.",
  envelope_unknown_key: "The envelope is sealed for a key that is not in use: fetch the key set again.",
  envelope_expired: "The envelope was sealed too long ago, or by a clock that is wrong: seal it again.",
} as const;

export type EnvelopeErrorCode = keyof typeof messages;

/** The only error that opening an envelope or an answer throws. It says the code and nothing of the cause. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";
  readonly code: EnvelopeErrorCode;

  constructor(code: EnvelopeErrorCode) {
    super(messages[code]);
    this.code = code;
  }
}
