/** Bare node:http: reads the request, answers bytes. Nothing on this machine serves JSON over HTTP/1.1 with less. */
import { createServer } from "node:http";
import { ready, settings } from "../child.mjs";

const body = Buffer.from(settings.json);
const headers = { "content-type": "application/json", "content-length": body.length };

const server = createServer((request, response) => {
  request.resume().once("end", () => response.writeHead(200, headers).end(body));
});
server.listen(0, "127.0.0.1", () => ready({ port: server.address().port }));
