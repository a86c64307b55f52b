import { createHmac } from "node:crypto";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { type Answer, call, type ErrorBody, loginUser, PASSWORD, registerUser, type Tokens } from "./client.ts";
import { type RpcAnswer, rpc } from "./rpc.ts";
import type { TestApp } from "./start-app.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 4648 base32, without padding. */
export function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** The code that an authenticator app shows: RFC 6238 written anew, from the text of the RFC. */
export function codeAt(secret: string, at: Date, stepsAway = 0): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at.getTime() / 30_000) + stepsAway));
  const mac = createHmac("sha1", fromBase32(secret)).update(counter).digest();
  const number = mac.readUInt32BE((mac[19] ?? 0) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** A code of six digits that is none of these. */
export function wrongCode(...right: string[]): string {
  const candidates = Array.from({ length: right.length + 1 }, (_, i) => String(100_000 + i));
  return candidates.find((code) => !right.includes(code)) ?? "";
}

export type Challenge = { mfa_required: true; mfa_challenge: string; mfa_methods: string[]; expires_in: number };

export type MfaUser = Tokens & {
  credentials: { email: string; username: string; password: string };
  secret: string;
  recoveryCodes: string[];
  /** What the app shows at the test clock's time, so many steps away. */
  code(stepsAway?: number): string;
  /** A code that is wrong for some steps around. */
  wrong(): string;
};

export function mfa<T = Record<string, unknown>>(
  url: string,
  method: keyof typeof MfaService.method extends infer K ? Capitalize<K & string> : never,
  options: { token: string; body?: object },
): Promise<RpcAnswer<T>> {
  return rpc<T>(url, method, { ...options, service: MfaService.typeName });
}

/** Somebody with an authenticator app. The clock is two steps further than its last code. */
export async function registerMfaUser(server: TestApp): Promise<MfaUser> {
  const registered = await registerUser(server.url);
  return turnOn(server, registered);
}

export async function turnOn(server: TestApp, registered: Awaited<ReturnType<typeof registerUser>>): Promise<MfaUser> {
  const token = registered.access_token;
  const { body: enrolled } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token });
  const { secret } = enrolled;
  const code = (stepsAway = 0) => codeAt(secret, server.clock.now(), stepsAway);
  const confirmed = await mfa<{ recoveryCodes: string[] }>(server.url, "ConfirmTotp", {
    token,
    body: { code: code() },
  });
  if (confirmed.status !== 200) throw new Error(`ConfirmTotp answered ${JSON.stringify(confirmed.body)}`);
  server.clock.advance(60);
  const wrong = () => wrongCode(...[-2, -1, 0, 1, 2].map(code));
  return { ...registered, secret, recoveryCodes: confirmed.body.recoveryCodes, code, wrong };
}

export async function challengeOf(server: TestApp, identifier: string, password = PASSWORD): Promise<string> {
  const { body } = await loginUser(server.url, identifier, password);
  const { mfa_challenge: challenge } = body as unknown as Challenge;
  if (challenge === undefined) throw new Error(`the login answered ${JSON.stringify(body)}`);
  return challenge;
}

export function verify(url: string, challenge: string, code: string): Promise<Answer<Tokens & ErrorBody>> {
  return call(`${url}/auth/mfa/verify`, { body: { mfa_challenge: challenge, code } });
}
