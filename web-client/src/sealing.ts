import { type ClientChannel, sealRequest } from "@sello/envelope";
import type { Channels } from "./channels.ts";
import { untrusted } from "./errors.ts";
import { parseJson } from "./json.ts";
import type { Keys } from "./key-set.ts";
import type { ServerTime } from "./server-time.ts";
import { twice } from "./twice.ts";
import type { WithKeys } from "./with-keys.ts";

/** `stateless`: each call under a key of its own. `stateful`: through a channel. `none`: in clear. */
export type EnvelopeMode = "stateless" | "stateful" | "none";

export type Sealed = {
  /** Where the envelope stands in a message, by number, and in a JSON body, by name. */
  field: 100 | 101;
  member: "__front_enc__" | "__session_enc__";
  envelope: object;
  /** The JSON of the answer; rejects with `server_untrusted` unless it is the sealed answer to this very request. */
  open(answer: unknown): Promise<unknown>;
};
export type Seal = (plaintext: string, binding: string) => Promise<Sealed>;

/** One sealed call as a developer wants to see it. */
export type Exchange = { binding: string; request: string; envelope: object; answer: unknown; opened: string };

export type Sealing = {
  /**
   * Runs the attempt with what seals it. Where the server refuses the envelope before it has read it (key or clock out of
   * date, channel over), that is put right and the attempt is made once more.
   */
  run<T>(mode: SealedMode, signal: AbortSignal, attempt: (seal: Seal) => Promise<T>): Promise<T>;
};
export type SealedMode = Exclude<EnvelopeMode, "none">;

export type SealingOptions = {
  withKeys: WithKeys;
  channels: Channels;
  time: ServerTime;
  inspect: ((exchange: Exchange) => void) | undefined;
};

const CHANNEL_OUT_OF_DATE = ["channel_expired"];

export function createSealing({ withKeys, channels, time, inspect }: SealingOptions): Sealing {
  const answering = (
    binding: string,
    request: string,
    envelope: object,
    open: (answer: never) => Promise<Uint8Array>,
  ) =>
    async function openAnswer(answer: unknown): Promise<unknown> {
      const opened = await open(answer as never).then(
        (plaintext) => new TextDecoder().decode(plaintext),
        (error) => {
          throw untrusted("The answer was not sealed by the server that the call was sealed for.", error);
        },
      );
      inspect?.({ binding, request, envelope, answer, opened });
      return parseJson(opened);
    };
  const stateless =
    ({ recipient }: Keys): Seal =>
    async (plaintext, binding) => {
      const { envelope, openAnswer } = await sealRequest(recipient, plaintext, { binding, now: time.now() });
      return {
        field: 100,
        member: "__front_enc__",
        envelope,
        open: answering(binding, plaintext, envelope, openAnswer),
      };
    };
  const stateful =
    (channel: ClientChannel): Seal =>
    async (plaintext, binding) => {
      const { envelope, openAnswer } = await channel.seal(plaintext, binding);
      return {
        field: 101,
        member: "__session_enc__",
        envelope,
        open: answering(binding, plaintext, envelope, openAnswer),
      };
    };

  return {
    run: (mode, signal, attempt) =>
      mode === "stateless"
        ? withKeys(signal, (keys) => attempt(stateless(keys)))
        : twice({
            signal,
            begin: () => channels.current(),
            attempt: (channel) => attempt(stateful(channel)),
            codes: CHANNEL_OUT_OF_DATE,
            renew: async (channel) => channels.drop(channel),
          }),
  };
}
