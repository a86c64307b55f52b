import type { DescMethod, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import {
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
  createServiceImplSpec,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { invokeUnaryImplementation, type UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import type { Admit } from "./admission.ts";

/** One unary call, read from whatever carried it. */
export type UnaryCall = {
  message: Message;
  url: string;
  httpMethod: string;
  protocolName: string;
  header: Headers;
  contextValues: ContextValues;
  signal: AbortSignal;
  timeoutMs: number | undefined;
};
export type UnaryAnswer = { message: Message; header: Headers };

/** @throws ConnectError whose cause is the `AuthError`. */
export type CallUnary = (call: UnaryCall) => Promise<UnaryAnswer>;

/** An RPC by its own path: Connect's handler of every protocol, and, of a unary one, the call without a protocol around it. */
export type ServedRpc = { handler: UniversalHandler; callUnary: CallUnary | undefined; admit: Admit };

/** Every RPC that the server answers, ready to be called from any protocol. All go through the same interceptors. */
export type Procedures = {
  services: DescService[];
  /** By request path. */
  rpcs: Map<string, ServedRpc>;
  admit: Admit;
  /** @throws Error for a method that is not served. */
  unary(method: DescMethodUnary): CallUnary;
};

export type ProcedureOptions = {
  /** Asked before a request is read. */
  admit: Admit;
  interceptors: Interceptor[];
  readMaxBytes: number;
  shutdownSignal: AbortSignal;
};

export type Registration = { service: DescService; implementation: Partial<ServiceImpl<DescService>> };

/** Pairs a service with its implementation, and lets the compiler see that they fit. */
export function implement<T extends DescService>(service: T, implementation: ServiceImpl<T>): Registration {
  return { service, implementation: implementation as Partial<ServiceImpl<DescService>> };
}

export function createProcedures(registrations: Registration[], options: ProcedureOptions): Procedures {
  const router = createConnectRouter(routerOptions(options));
  const unary = new Map<DescMethod, CallUnary>();
  for (const { service, implementation } of registrations) {
    router.service(service, implementation, streams(service) ? { shutdownSignal: options.shutdownSignal } : {});
    for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
      if (spec.kind === "unary") unary.set(spec.method, unaryCaller(spec, options.interceptors));
    }
  }
  const served = (handler: UniversalHandler): ServedRpc => ({
    handler,
    callUnary: unary.get(handler.method),
    admit: options.admit,
  });
  return {
    services: registrations.map(({ service }) => service),
    rpcs: new Map(router.handlers.map((handler) => [handler.requestPath, served(handler)])),
    admit: options.admit,
    unary(method) {
      const call = unary.get(method);
      if (call === undefined) throw new Error(`${method.parent.typeName}/${method.name} is not served`);
      return call;
    },
  };
}

type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

/** The context is made here: Connect's own links three abort signals and copies every header, for each call. */
function unaryCaller(spec: UnarySpec, interceptors: Interceptor[]): CallUnary {
  const { method } = spec;
  return async ({ message, url, httpMethod, protocolName, header, contextValues, signal, timeoutMs }) => {
    const due = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    const context: HandlerContext = {
      service: method.parent,
      method,
      protocolName,
      requestMethod: httpMethod,
      requestHeader: header,
      url,
      values: contextValues,
      signal,
      timeoutMs: () => (due === undefined ? undefined : due - performance.now()),
      responseHeader: new Headers(),
      responseTrailer: new Headers(),
    };
    const answer = await invokeUnaryImplementation(spec, context, message, interceptors);
    return { message: answer, header: context.responseHeader };
  };
}

/** A stream without an end is told that the server stops; a call that has one is let come to it. */
function streams(service: DescService): boolean {
  return service.methods.some((method) => method.methodKind !== "unary");
}

/** Answers are never compressed: they hold secrets beside text that a caller may choose. Requests may be. */
function routerOptions({ interceptors, readMaxBytes }: ProcedureOptions): ConnectRouterOptions {
  return {
    interceptors,
    readMaxBytes,
    acceptCompression: [compressionGzip],
    compressMinBytes: Number.MAX_SAFE_INTEGER,
  };
}
