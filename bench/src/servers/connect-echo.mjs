/** Stock connect-node, as its documentation starts it: the product's messages, no interceptor, no work. */
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { fromJsonString } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  AuthService,
  GetMeResponseSchema,
  RefreshTokenResponseSchema,
} from "../../../gen/src/auth/v1/auth_service_pb.js";
import { ready, settings } from "../child.mjs";

const me = fromJsonString(GetMeResponseSchema, settings.me);
const tokens = fromJsonString(RefreshTokenResponseSchema, settings.tokens);

const handler = connectNodeAdapter({
  routes: (router) => router.service(AuthService, { getMe: () => me, refreshToken: () => tokens }),
});
const server = createServer(handler).listen(0, "127.0.0.1", () => {
  const http2 = createHttp2Server(handler).listen(0, "127.0.0.1", () => {
    ready({ port: server.address().port, http2Port: http2.address().port });
  });
});
