import type { DescMethod, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import {
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
  createHandlerContext,
  createServiceImplSpec,
  type Interceptor,
  type MethodImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { invokeUnaryImplementation, type UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";

/** One unary call by way of a plain HTTP route. */
export type UnaryCall = {
  message: Message;
  url: string;
  httpMethod: string;
  header: Headers;
  contextValues: ContextValues;
  signal: AbortSignal | undefined;
};
export type UnaryAnswer = { message: Message; header: Headers };

/** Every RPC that the server answers, ready to be called from any protocol. All go through the same interceptors. */
export type Procedures = {
  services: DescService[];
  /** Connect, gRPC and gRPC-Web, by request path. */
  handlers: Map<string, UniversalHandler>;
  /** @throws ConnectError whose cause is the `AuthError`. */
  call(method: DescMethodUnary, call: UnaryCall): Promise<UnaryAnswer>;
};

export type ProcedureOptions = { interceptors: Interceptor[]; readMaxBytes: number; shutdownSignal: AbortSignal };

export type Registration = { service: DescService; implementation: Partial<ServiceImpl<DescService>> };

/** Pairs a service with its implementation, and lets the compiler see that they fit. */
export function implement<T extends DescService>(service: T, implementation: ServiceImpl<T>): Registration {
  return { service, implementation: implementation as Partial<ServiceImpl<DescService>> };
}

export function createProcedures(registrations: Registration[], options: ProcedureOptions): Procedures {
  const router = createConnectRouter(routerOptions(options));
  const unary = new Map<DescMethod, Extract<MethodImplSpec, { kind: "unary" }>>();
  for (const { service, implementation } of registrations) {
    router.service(service, implementation, streams(service) ? { shutdownSignal: options.shutdownSignal } : {});
    for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) {
      if (spec.kind === "unary") unary.set(spec.method, spec);
    }
  }
  return {
    services: registrations.map(({ service }) => service),
    handlers: new Map(router.handlers.map((handler) => [handler.requestPath, handler])),

    async call(method, call) {
      const spec = unary.get(method);
      if (spec === undefined) throw new Error(`${method.parent.typeName}/${method.name} is not served`);
      const context = createHandlerContext({
        service: method.parent,
        method,
        protocolName: "http",
        requestMethod: call.httpMethod,
        requestHeader: call.header,
        url: call.url,
        contextValues: call.contextValues,
        ...(call.signal && { requestSignal: call.signal }),
      });
      const message = await invokeUnaryImplementation(spec, context, call.message, options.interceptors);
      return { message, header: context.responseHeader };
    },
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
