import { fromJson, toBinary } from "@bufbuild/protobuf";
import { GetMeResponseSchema } from "../../../gen/src/auth/v1/auth_service_pb.js";
import { grpcFrame, loadGrpc } from "../load-grpc.mjs";
import { callOnce, jsonPost, loadHttp, requestBytes } from "../load-http.mjs";
import { logIn } from "../product.mjs";

const RPC = "/auth.v1.AuthService/GetMe";
const CONNECTIONS = 8;

/** Who am I, with a token that was seen before: the product's overhead on a call, and one read of the session. */
export async function getMe({ product, users, peers, children, pace }) {
  const { access_token: token } = await logIn(product.port, users[0]);
  const headers = { authorization: `Bearer ${token}` };
  const rest = requestBytes({ method: "GET", path: "/auth/me", headers });
  const connect = jsonPost(RPC, {}, { ...headers, "connect-protocol-version": "1" });
  const { body: json } = await callOnce(product.port, rest);
  const me = fromJson(GetMeResponseSchema, JSON.parse(json));
  const frame = grpcFrame(toBinary(GetMeResponseSchema, me)).toString("base64");
  const { better, oidc } = await peers();

  const [bareHttp, bareHttp2, stock, grpcJs] = await Promise.all([
    children.fork("src/servers/http-echo.mjs", { json }),
    children.fork("src/servers/http2-echo.mjs", { frame }),
    children.fork("src/servers/connect-echo.mjs", { me: json, tokens: "{}" }),
    children.fork("src/servers/grpc-js-echo.mjs", { me: json }),
  ]);

  const http = (port, bytes) => (durationMs) =>
    loadHttp({ port, connections: CONNECTIONS, durationMs, next: () => bytes });
  const grpc = (port) => (durationMs) =>
    loadGrpc({ port, path: RPC, headers, message: new Uint8Array(), sessions: 4, streams: 16, durationMs });
  const loads = {
    rest: http(product.port, rest),
    connect: http(product.port, connect),
    stockHttp: http(stock.port, connect),
    bareHttp: http(bareHttp.port, rest),
    grpc: grpc(product.port),
    stockGrpc: grpc(stock.http2Port),
    bareHttp2: grpc(bareHttp2.port),
    grpcJs: grpc(grpcJs.port),
    better: http(better.port, better.getSession),
    oidc: http(oidc.port, oidc.introspect),
  };
  const samples = await pace.measure(loads);
  await Promise.all([bareHttp, bareHttp2, stock, grpcJs].map((server) => server.stop()));

  const row = (what, product, baseline, against, more = {}) => ({
    what,
    unit: "/s",
    product: samples[product],
    baseline: { what: against, samples: samples[baseline] },
    ...more,
  });
  return [
    row("GetMe, HTTP/JSON", "rest", "stockHttp", "stock connect-node echo, JSON over HTTP/1.1", { target: 0.7 }),
    row("GetMe, HTTP/JSON", "rest", "bareHttp", "bare node:http echo"),
    row("GetMe, Connect JSON", "connect", "stockHttp", "stock connect-node echo, JSON over HTTP/1.1", { target: 0.7 }),
    row("GetMe, gRPC", "grpc", "stockGrpc", "stock connect-node echo, gRPC", { target: 0.7 }),
    row("GetMe, gRPC", "grpc", "grpcJs", "grpc-js echo"),
    row("GetMe, gRPC", "grpc", "bareHttp2", "bare node:http2 echo"),
    row("GetMe, HTTP/JSON", "rest", "better", "better-auth, get-session", { target: 1 }),
    row("GetMe, HTTP/JSON", "rest", "oidc", "oidc-provider, introspection", { target: 1 }),
  ];
}
