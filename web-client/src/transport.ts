import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromJson,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { Transport, UnaryResponse } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { bounded } from "./bounded.ts";
import { untrusted } from "./errors.ts";
import type { Fetch } from "./network.ts";
import type { EnvelopeMode, Seal, Sealing } from "./sealing.ts";
import { toAuthError } from "./to-auth-error.ts";

/** Gives a call the token it needs, and makes it once more after a refresh. */
export type Authorize = <T>(signal: AbortSignal, call: (token: string | undefined) => Promise<T>) => Promise<T>;

export type TransportOptions = {
  baseUrl: string;
  fetch: Fetch;
  sealing: Sealing;
  envelope: EnvelopeMode;
  timeoutMs: number;
  /** Absent: the call is sent with the headers it has. */
  authorize?: Authorize;
};

const withoutToken: Authorize = (_signal, call) => call(undefined);

/**
 * Connect over JSON. A message that has a place for an envelope is sealed, whatever the service; every failure is an AuthError.
 * A stream gets a token, and is not sealed; what fails after it has begun is Connect's own error.
 */
export function createTransport(options: TransportOptions): Transport {
  const { authorize = withoutToken, envelope, sealing, timeoutMs: defaultMs } = options;
  const inner = createConnectTransport({ baseUrl: options.baseUrl, fetch: options.fetch as typeof globalThis.fetch });

  return {
    unary(method, signal, timeoutMs = defaultMs, header, input, contextValues) {
      return bounded({ signal, timeoutMs }, (bound) =>
        authorize(bound, async (token) => {
          const headers = withToken(header, token);
          const send = (message: typeof input) =>
            inner.unary(method, bound, undefined, headers, message, contextValues);
          if (envelope === "none" || fieldOf(method.input, 100) === undefined) return await send(input);
          return await sealing.run(envelope, bound, (seal) => sendSealed(method, input, { seal, send }));
        }),
      );
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const open = (token: string | undefined) =>
        inner.stream(method, signal, timeoutMs, withToken(header, token), input, contextValues);
      try {
        return await authorize(signal ?? new AbortController().signal, open);
      } catch (error) {
        throw toAuthError(error);
      }
    },
  };
}

function withToken(header: HeadersInit | undefined, token: string | undefined): Headers {
  const headers = new Headers(header);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return headers;
}

type Send<I extends DescMessage, O extends DescMessage> = {
  seal: Seal;
  send(message: Parameters<Transport["unary"]>[4]): Promise<UnaryResponse<I, O>>;
};

/** The plaintext is the message in JSON with the names of the contract; the binding is the path of the RPC. */
async function sendSealed<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  input: Parameters<typeof create<I>>[1],
  { seal, send }: Send<I, O>,
): Promise<UnaryResponse<I, O>> {
  const message = create(method.input, input);
  const plaintext = JSON.stringify(toJson(method.input, message, { useProtoFieldName: true }));
  const { field, envelope, open } = await seal(plaintext, `/${method.parent.typeName}/${method.name}`);
  const response = await send({ [fieldOf(method.input, field) ?? ""]: envelope });
  const answer = (response.message as unknown as Record<string, unknown>)[fieldOf(method.output, field) ?? ""];
  return { ...response, message: readAnswer(method.output, await open(answer)) };
}

function readAnswer<O extends DescMessage>(desc: O, json: unknown): MessageShape<O> {
  try {
    return fromJson(desc, json as JsonValue, { ignoreUnknownFields: true });
  } catch (error) {
    throw untrusted("The sealed answer is not the answer to this call.", error);
  }
}

const envelopes: Readonly<Record<number, string>> = { 100: "envelope.v1.FrontEnc", 101: "envelope.v1.SessionEnc" };

/** By number and type: a message that is about envelopes, and not sealed itself, has its own fields for them. */
function fieldOf(desc: DescMessage, number: 100 | 101): string | undefined {
  return desc.fields.find((field) => field.number === number && field.message?.typeName === envelopes[number])
    ?.localName;
}
