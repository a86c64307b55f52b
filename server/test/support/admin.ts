import { create, type DescMethodUnary, type MessageInitShape, type MessageShape, toJson } from "@bufbuild/protobuf";
import { readHttpRoutes } from "../../src/http/http-rules.ts";
import { loginUser, registerUser, type Tokens } from "./client.ts";
import { type Answered, callBy, type Way } from "./each-protocol.ts";
import type { TestApp } from "./start-app.ts";
import type { Wire } from "./wire.ts";

export type Member = Tokens & { id: string; credentials: { email: string; username: string; password: string } };

let count = 0;

/** Somebody new, logged in after the roles were given by hand. */
export async function newMember(server: TestApp, roles: string[] = []): Promise<Member> {
  const { user, credentials } = await registerUser(server.url);
  await server.db.query("INSERT INTO user_roles (user_id, role, granted_at) SELECT $1, unnest($2::text[]), now()", [
    user.id,
    roles,
  ]);
  const { body } = await loginUser(server.url, credentials.email);
  return { ...body, id: user.id, credentials };
}

export const newAdmin = (server: TestApp): Promise<Member> => newMember(server, ["admin"]);

/** The name of a new role, made by hand. */
export async function newRole(server: TestApp, permissions: string[] = [], parents: string[] = []): Promise<string> {
  const name = `r${process.pid}-${count++}`;
  await server.db.query("INSERT INTO roles (name) VALUES ($1)", [name]);
  await server.db.query("INSERT INTO role_permissions SELECT $1, unnest($2::text[])", [name, permissions]);
  await server.db.query("INSERT INTO role_parents SELECT $1, unnest($2::text[])", [name, parents]);
  return name;
}

/** Somebody who holds these permissions and no other. */
export async function newHolder(server: TestApp, permissions: string[]): Promise<Member> {
  return newMember(server, [await newRole(server, permissions)]);
}

export type AdminCall<M extends DescMethodUnary> = {
  method: M;
  message: MessageInitShape<M["input"]>;
  token: string | undefined;
};

/** Calls an RPC by one of the protocols; over REST at the address that the contract gives it. */
export function callAdmin<M extends DescMethodUnary>(
  wire: Wire,
  way: Way,
  { method, message, token }: AdminCall<M>,
): Promise<Answered<MessageShape<M["output"]>>> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const route = way === "rest" ? addressOf(method, message) : { verb: "POST", path: "" };
  return callBy(wire, way, { method, route, message, headers });
}

function addressOf<M extends DescMethodUnary>(method: M, message: MessageInitShape<M["input"]>) {
  const [route] = readHttpRoutes([method.parent]).filter((candidate) => candidate.method === method);
  if (route === undefined) throw new Error(`${method.name} has no route`);
  const json = toJson(method.input, create(method.input, message as MessageInitShape<M["input"]>), {
    useProtoFieldName: true,
  }) as Record<string, string | number | boolean>;
  const filled = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(json[name] ?? "-")),
  );
  const inQuery = Object.entries(json).filter(([name]) => route.query.has(name));
  const query = new URLSearchParams(inQuery.map(([name, value]) => [name, String(value)]));
  return { verb: route.verb, path: query.size === 0 ? filled : `${filled}?${query}` };
}
