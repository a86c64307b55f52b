import {
  create,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  type JsonObject,
  type MessageInitShape,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { type Outcome, PROTOCOLS, type Protocol, readRest, sendRpc, type Wire } from "./wire.ts";

export type Way = "rest" | Protocol;
export const WAYS: Way[] = ["rest", ...PROTOCOLS];

export type Answered<O> = Outcome & { data: O | undefined };

/** What an envelope of a call by this protocol is bound to. */
export function bindingOf(way: Way, { method, route }: { method: DescMethodUnary; route: Route }): string {
  return way === "rest" ? route.path : `/${method.parent.typeName}/${method.name}`;
}

/** Where an RPC is served as a plain route. */
export type Route = { verb: string; path: string };

export type EachCall<M extends DescMethodUnary> = {
  method: M;
  route: Route;
  message: MessageInitShape<M["input"]>;
  headers?: Record<string, string>;
};

/** Makes one call by one of the protocols. `data` is the answer's message. */
export async function callBy<M extends DescMethodUnary>(
  wire: Wire,
  way: Way,
  { method, route, message, headers = {} }: EachCall<M>,
): Promise<Answered<MessageShape<M["output"]>>> {
  const input = create(method.input, message as MessageInitShape<M["input"]>);
  if (way === "rest") {
    const isBodiless = route.verb === "GET" || route.verb === "DELETE";
    const body = isBodiless ? undefined : JSON.stringify(restJson(method, input));
    const raw = await wire.http1({
      path: route.path,
      method: route.verb,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body }),
    });
    const answer = readRest(raw);
    return { ...answer, data: answer.ok ? fromJson(method.output, JSON.parse(answer.text)) : undefined } as never;
  }
  const payload = way === "connect-json" ? JSON.stringify(toJson(method.input, input)) : toBinary(method.input, input);
  const answer = await sendRpc(wire, way, { path: `/${method.parent.typeName}/${method.name}`, payload, headers });
  return { ...answer, data: answer.ok ? decode(method, way, answer.payload) : undefined } as never;
}

/** The contract's own names of the envelopes, not the proto's. */
function restJson(method: DescMethodUnary, input: MessageShape<DescMethodUnary["input"]>): Record<string, unknown> {
  const { front_enc, session_enc, ...plain } = toJson(method.input, input, { useProtoFieldName: true }) as JsonObject;
  return {
    ...plain,
    ...(front_enc !== undefined && { __front_enc__: front_enc }),
    ...(session_enc !== undefined && { __session_enc__: session_enc }),
  };
}

function decode(method: DescMethodUnary, way: Protocol, payload: Buffer) {
  return way === "connect-json"
    ? fromJson(method.output, JSON.parse(payload.toString()))
    : fromBinary(method.output, payload);
}
