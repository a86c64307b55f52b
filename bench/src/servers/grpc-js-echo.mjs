/** grpc-js with the product's messages, no work. */
import { fromBinary, fromJsonString, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { GetMeRequestSchema, GetMeResponseSchema } from "../../../gen/src/auth/v1/auth_service_pb.js";
import { ready, settings } from "../child.mjs";

const me = fromJsonString(GetMeResponseSchema, settings.me);
const getMe = {
  path: "/auth.v1.AuthService/GetMe",
  requestStream: false,
  responseStream: false,
  requestSerialize: (message) => Buffer.from(toBinary(GetMeRequestSchema, message)),
  requestDeserialize: (bytes) => fromBinary(GetMeRequestSchema, bytes),
  responseSerialize: (message) => Buffer.from(toBinary(GetMeResponseSchema, message)),
  responseDeserialize: (bytes) => fromBinary(GetMeResponseSchema, bytes),
};

const server = new Server();
server.addService({ getMe }, { getMe: (_call, answer) => answer(null, me) });
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  ready({ port });
});
