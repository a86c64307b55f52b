import { Agent, request } from "node:http";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser, PASSWORD, registerUser, type Tokens } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const MESSAGES = 10_000;
const AT_ONCE = 32;
const SLOWEST_MS = 2_000;
/** Say what failed with the seed; run it again with SELLO_SEED. */
const SEED = Number(process.env["SELLO_SEED"] ?? 20_261_121);

let server: TestApp;
let user: Tokens;
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000000", LOG_LEVEL: "error" } });
  user = await registerUser(server.url);
});
afterAll(async () => {
  agent.destroy();
  await server[Symbol.asyncDispose]();
});

/** Mulberry32: small, and the same on every machine. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Form = { path: string; type: string; encode(method: (typeof AuthService.methods)[number]): Buffer };

const SAMPLES: Record<string, object> = {
  register: { ...newUser(), dataPublic: { displayName: "Ana", avatarUrl: "https://example.com/a.png" } },
  login: { identifier: "ana@example.com", password: PASSWORD, useCookie: true },
  refreshToken: { refreshToken: `rt_${"A".repeat(43)}` },
  logout: { refreshToken: `rt_${"A".repeat(43)}` },
  changePassword: { currentPassword: PASSWORD, newPassword: `${PASSWORD}!` },
  listSessions: { pageSize: 5, pageToken: "1.00000000-0000-4000-8000-000000000000" },
  revokeSession: { sessionId: "00000000-0000-4000-8000-000000000000" },
};
const ENVELOPE = { frontEnc: { kid: "k", alg: "ECDH-ES", enc: "A256GCM", iv: "AAAAAAAAAAAAAAAA", ct: "A".repeat(44) } };

const ROUTES: Record<string, string> = {
  register: "/auth/register",
  login: "/auth/login",
  refreshToken: "/auth/token/refresh",
  logout: "/auth/logout",
};

function formsOf(method: (typeof AuthService.methods)[number], sealed: boolean): Form[] {
  const message = create(method.input, { ...(sealed ? ENVELOPE : SAMPLES[method.localName]) });
  const binary = Buffer.from(toBinary(method.input, message));
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, binary.length]), binary]);
  const json = Buffer.from(JSON.stringify(toJson(method.input, message)));
  const path = `/auth.v1.AuthService/${method.name}`;
  const route = ROUTES[method.localName];
  return [
    { path, type: "application/json", encode: () => json },
    { path, type: "application/proto", encode: () => binary },
    { path, type: "application/grpc-web+proto", encode: () => frame },
    ...(route === undefined ? [] : [{ path: route, type: "application/json", encode: () => json }]),
  ];
}

const TOKENS = [
  "null",
  "[]",
  "{}",
  '"',
  "1e999",
  "-0",
  "\\u0000",
  "\\ud800",
  "true",
  '{"a":',
  ",,",
  "\u0000",
  "\ufeff",
];

function mutate(body: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(body);
  const at = () => Math.floor(random() * (bytes.length + 1));
  const choices = [
    () => {
      const position = Math.min(at(), bytes.length - 1);
      if (position >= 0) bytes[position] = (bytes[position] ?? 0) ^ (1 << Math.floor(random() * 8));
      return bytes;
    },
    () => bytes.subarray(0, at()),
    () => {
      const [from, to] = [at(), at()].sort((a, b) => a - b);
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    },
    () => {
      const position = at();
      const token = Buffer.from(TOKENS[Math.floor(random() * TOKENS.length)] ?? "");
      return Buffer.concat([bytes.subarray(0, position), token, bytes.subarray(position)]);
    },
    () => Buffer.concat([bytes, bytes.subarray(at())]),
    () => Buffer.from(Array.from({ length: Math.floor(random() * 64) }, () => Math.floor(random() * 256))),
  ];
  const mutated = choices[Math.floor(random() * choices.length)]?.() ?? bytes;
  return random() < 0.3 ? mutate(mutated, random) : mutated;
}

type Outcome = { status: number; text: string; elapsedMs: number };

function send(form: Form, body: Buffer, token: string | undefined): Promise<Outcome> {
  const start = performance.now();
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      hostname,
      port,
      agent,
      method: "POST",
      path: form.path,
      headers: {
        "content-type": form.type,
        "content-length": body.length,
        ...(token && { authorization: `Bearer ${token}` }),
      },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text, elapsedMs: performance.now() - start }),
      );
    });
    outgoing.end(body);
  });
}

const LEAKS =
  /Unexpected (token|end)|illegal tag|parse binary|premature EOF|invalid wire|SyntaxError|TypeError|cannot decode|node_modules|at \w+ \(/;

describe("ten thousand mutated messages", () => {
  test("each get an answer of the contract in time, and the server goes on", async () => {
    const random = randomOf(SEED);
    const forms = AuthService.methods.flatMap((method) =>
      [...formsOf(method, false), ...formsOf(method, true)].map((form) => ({ form, method })),
    );
    const failures: string[] = [];
    let sent = 0;
    const worker = async () => {
      while (sent < MESSAGES) {
        sent++;
        const { form, method } = forms[Math.floor(random() * forms.length)] ?? {};
        if (form === undefined || method === undefined) throw new Error("there are forms");
        const body = mutate(form.encode(method), random);
        const { status, text, elapsedMs } = await send(form, body, random() < 0.5 ? user.access_token : undefined);
        const grpcStatus = /grpc-status: ?(\d+)/i.exec(text)?.[1];
        const bad =
          status >= 500 || grpcStatus === "13" || grpcStatus === "2" || LEAKS.test(text) || elapsedMs > SLOWEST_MS;
        if (bad)
          failures.push(
            `${form.type} ${form.path} ${status} ${elapsedMs.toFixed(0)} ms ${text.slice(0, 200)} <- ${body.toString("base64")}`,
          );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect(failures.slice(0, 5), `seed ${SEED}`).toStrictEqual([]);
    expect(server.logs.filter(({ level }) => level === "error").slice(0, 3), `seed ${SEED}`).toStrictEqual([]);
    expect((await registerUser(server.url)).token_type).toBe("Bearer");
  }, 120_000);
});
