import type { DescService } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ServerReflection } from "@sello/gen/grpc/reflection/v1/reflection_pb";
import { ServerReflection as ServerReflectionV1Alpha } from "@sello/gen/grpc/reflection/v1alpha/reflection_pb";
import { Health } from "@sello/gen/health/v1/health_pb";
import { edgeKey } from "./edge.ts";
import { createHealthService } from "./health-service.ts";
import { createProcedures, implement, type Procedures } from "./procedures.ts";
import type { Readiness } from "./readiness.ts";
import { createReflectionService } from "./reflection-service.ts";

export type InfrastructureOptions = {
  services: DescService[];
  /** Whether the server takes calls. */
  readiness: Readiness;
  reflection: boolean;
  readMaxBytes: number;
  shutdownSignal: AbortSignal;
};

/** Health and reflection: public, unlogged, and apart from the services of the contract. */
export function createInfrastructure(options: InfrastructureOptions): Procedures {
  const { services, readiness, readMaxBytes, shutdownSignal } = options;
  const described = [...services, Health, ...(options.reflection ? [ServerReflection, ServerReflectionV1Alpha] : [])];
  const registrations = [
    implement(
      Health,
      createHealthService(
        readiness,
        services.map(({ typeName }) => typeName),
      ),
    ),
  ];
  if (options.reflection) {
    const reflection = createReflectionService(described);
    registrations.push(implement(ServerReflection, reflection));
    registrations.push(implement(ServerReflectionV1Alpha, reflection as never));
  }
  return createProcedures(registrations, {
    admit: async () => undefined,
    interceptors: [markReached],
    readMaxBytes,
    shutdownSignal,
  });
}

const markReached: Interceptor = (next) => (request) => {
  request.contextValues.get(edgeKey).reached = true;
  return next(request);
};
