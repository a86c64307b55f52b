import { create, type DescMethodUnary, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { ProfileService } from "@sello/gen/auth/v1/profile_service_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loginUser, registerUser, type Tokens } from "./support/client.ts";
import { mutateBytes, pick, type Random, seeded, swapTypes } from "./support/mutate.ts";
import { recipientsOf, seal } from "./support/seal.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { type Outcome, openWire, PROTOCOLS, type RawAnswer, readRest, sendRpc, type Wire } from "./support/wire.ts";

const RUNS = 10_000;
const PARALLEL = 32;
const SEED = Number(process.env["SELLO_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const ROUTES = ["/auth/register", "/auth/login", "/auth/token", "/auth/token/refresh", "/auth/logout"];

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000000", LOG_LEVEL: "error" } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Sample = { method: DescMethodUnary; json: JsonValue; binary: Buffer };

/** A good request of every RPC, in clear and sealed. */
async function samplesOf({ credentials, refresh_token }: Awaited<ReturnType<typeof registerUser>>): Promise<Sample[]> {
  const { email, password } = credentials;
  const plain: Record<string, object> = {
    register: { ...credentials, dataPublic: { displayName: "Ada", avatarUrl: "https://example.com/a.png" } },
    login: { identifier: email, password, useCookie: true },
    verifyMfa: { mfaChallenge: `mfa_${"x".repeat(43)}`, code: "ZZZZ-ZZZZ-ZZZZ-ZZZZ", useCookie: true },
    reauthenticate: { password: "not the passphrase", code: "123456" },
    refreshToken: { refreshToken: refresh_token },
    logout: { refreshToken: "rt_unknown" },
    getMe: {},
    changePassword: { currentPassword: "not the passphrase", newPassword: "another long enough phrase" },
    listSessions: { pageSize: 10, pageToken: "x" },
    revokeSession: { sessionId: "00000000-0000-4000-8000-000000000000" },
    confirmTotp: { code: "123456" },
    disableTotp: { code: "123456" },
    getProfile: {},
    updateProfile: { dataProtected: { phone: "1" }, updateMask: { paths: ["data_public", "data_protected.phone"] } },
    unlockPrivateData: { password: "not the passphrase", recoveryKey: "" },
    updatePrivateData: {
      password: "not the passphrase",
      dataPrivate: { bankAccount: "1" },
      newRecoveryKey: true,
      discardStored: true,
    },
    getVault: {},
    putVault: { content: new Uint8Array([1, 2, 3]), replacedVersion: 1 },
  };
  const recipients = await recipientsOf(server.url);
  const samples = await Promise.all(
    [...AuthService.methods, ...MfaService.methods, ...ProfileService.methods].map(async (method) => {
      const message = plain[method.localName] ?? {};
      const sealed = await Promise.all(
        recipients.map(async (recipient) => {
          const binding = `/${method.parent.typeName}/${method.name}`;
          return { frontEnc: (await seal(server, message, { recipient, binding })).envelope };
        }),
      );
      return [message, ...sealed].map((body) => toSample(method as DescMethodUnary, body));
    }),
  );
  return samples.flat();
}

function toSample(method: DescMethodUnary, body: object): Sample {
  const message = create(method.input, body as never);
  return { method, json: toJson(method.input, message), binary: Buffer.from(toBinary(method.input, message)) };
}

type Try = { path: string; payload: Buffer; send(): Promise<Outcome> };

function nextTry(random: Random, samples: Sample[], headers: Record<string, string>): Try {
  const sample = pick(random, samples);
  const way = pick(random, ["rest", ...PROTOCOLS] as const);
  const isJson = way === "rest" || way === "connect-json";
  const texts = samples.map(({ json }) => Buffer.from(JSON.stringify(json)));
  const payload = isJson
    ? mutateJson(sample.json, random, texts)
    : mutateBytes(
        sample.binary,
        random,
        samples.map(({ binary }) => binary),
      );
  if (way !== "rest") {
    const path = `/${sample.method.parent.typeName}/${sample.method.name}`;
    return { path: `${way} ${path}`, payload, send: () => sendRpc(wire, way, { path, payload, headers }) };
  }
  const path = pick(random, ROUTES);
  const request = { path, headers: { "content-type": "application/json", ...headers }, body: payload };
  const by = random() < 0.5 ? wire.http1 : wire.http2;
  return { path, payload, send: async () => readRest((await by(request)) satisfies RawAnswer) };
}

function mutateJson(json: JsonValue, random: Random, others: Buffer[]): Buffer {
  const swapped = Buffer.from(JSON.stringify(random() < 0.5 ? swapTypes(json, random) : json));
  return random() < 0.6 ? mutateBytes(swapped, random, others) : swapped;
}

/** Words of parsers, none of which may reach a client. */
const PARSERS_WORDS =
  /unexpected (token|end)|illegal tag|parse binary|premature EOF|invalid wire|SyntaxError|TypeError|cannot decode|node_modules/i;
const REASONS_OF_THE_SERVER = ["internal", "unavailable", "overloaded"];

function complaintAbout({ status, reason, ok, text }: Outcome, ms: number): string | undefined {
  if (status >= 500) return `status ${status}`;
  if (REASONS_OF_THE_SERVER.includes(reason ?? "")) return `reason ${reason}`;
  if (!ok && reason === undefined) return `no reason: ${status} ${text}`;
  if (!ok && PARSERS_WORDS.test(text)) return `says ${text}`;
  return ms > 2_000 ? `took ${ms} ms` : undefined;
}

async function tryAll(random: Random, samples: Sample[], tokens: Tokens): Promise<string[]> {
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  const tries = Array.from({ length: RUNS }, () => nextTry(random, samples, headers));
  const complaints: string[] = [];
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (let next = tries.pop(); next !== undefined; next = tries.pop()) {
        const start = performance.now();
        const answer = await next.send();
        const complaint = complaintAbout(answer, performance.now() - start);
        if (complaint !== undefined) complaints.push(`${complaint}: ${next.path} ${next.payload.toString("base64")}`);
      }
    }),
  );
  return complaints;
}

test("ten thousand mutated messages get no 5xx and no silence, and the server still serves", async () => {
  const user = await registerUser(server.url);
  const complaints = await tryAll(seeded(SEED), await samplesOf(user), user);
  expect(complaints, `SELLO_SEED=${SEED}`).toStrictEqual([]);
  expect(server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
  expect((await loginUser(server.url, user.credentials.email)).status).toBe(200);
}, 180_000);
