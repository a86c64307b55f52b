import { randomBytes } from "node:crypto";

/** An answer of a plain HTTP/JSON route. */
export type Answer<T = Record<string, unknown>> = { status: number; headers: Headers; body: T };

export type Tokens = {
  access_token: string;
  token_type: string;
  expires_in: number;
  refresh_token: string;
  refresh_expires_in: number;
  user: Record<string, unknown> & { id: string };
};
export type ErrorBody = { error: { code: string; message: string } };

export const PASSWORD = "a long enough passphrase";

/** Calls a plain route. Without a body it is a GET. */
export async function call<T = Record<string, unknown>>(
  url: string,
  options: { body?: unknown; headers?: Record<string, string>; method?: string } = {},
): Promise<Answer<T>> {
  const { body, headers = {} } = options;
  const response = await fetch(url, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text === "" ? {} : JSON.parse(text)) as T };
}

/** Somebody nobody else is. */
export function newUser(): { email: string; username: string; password: string } {
  const name = `u${randomBytes(6).toString("hex")}`;
  return { email: `${name}@example.com`, username: name, password: PASSWORD };
}

export async function registerUser(url: string, user = newUser()): Promise<Tokens & { credentials: typeof user }> {
  const answer = await call<Tokens>(`${url}/auth/register`, { body: user });
  if (answer.status !== 201) throw new Error(`register answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return { ...answer.body, credentials: user };
}

export function loginUser(url: string, identifier: string, password = PASSWORD): Promise<Answer<Tokens & ErrorBody>> {
  return call(`${url}/auth/login`, { body: { identifier, password } });
}

export function refresh(url: string, token: string): Promise<Answer<Tokens & ErrorBody>> {
  return call(`${url}/auth/token/refresh`, { body: { refresh_token: token } });
}

export function me(url: string, accessToken: string): Promise<Answer<{ user: Tokens["user"] } & ErrorBody>> {
  return call(`${url}/auth/me`, { headers: { authorization: `Bearer ${accessToken}` } });
}
