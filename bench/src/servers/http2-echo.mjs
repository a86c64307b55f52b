/** Bare node:http2: reads the request, answers the bytes of a gRPC message and its trailers. */
import { createServer } from "node:http2";
import { ready, settings } from "../child.mjs";

const frame = Buffer.from(settings.frame, "base64");

const server = createServer();
server.on("stream", (stream) => {
  stream.resume().once("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(frame);
  });
});
server.listen(0, "127.0.0.1", () => ready({ port: server.address().port }));
