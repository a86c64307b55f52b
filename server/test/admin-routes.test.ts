import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readHttpRoutes } from "../src/http/http-rules.ts";
import { matchTemplate, parseTemplate, type Template } from "../src/http/path-template.ts";
import { isDeclared } from "../src/http/routes.ts";
import { type Member, newAdmin, newMember } from "./support/admin.ts";
import { call, newUser } from "./support/client.ts";
import { recipientOf, seal } from "./support/seal.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
let admin: Member;
beforeAll(async () => {
  server = await startApp({ env: { HTTP_BASE_PATH: "/api.v1" } });
  // What registers and logs in knows of no base.
  const plain = { ...server, url: `${server.url}/api.v1` };
  wire = openWire(server.url);
  admin = await newAdmin(plain);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Body = { error?: { code: string }; users?: { id: string }[]; user?: { id: string } };

/** As it is written: `fetch` would clean the path first. */
async function send(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; allow: string | null; body: Body }> {
  const answer = await wire.http1({
    path: `/api.v1${path}`,
    method,
    headers: { authorization: `Bearer ${admin.access_token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return {
    status: answer.status,
    allow: answer.headers.get("allow"),
    body: JSON.parse(answer.body.toString() || "{}") as Body,
  };
}

describe("the address of a user", () => {
  test("means the user, percent-encoded or not, in whatever case", async () => {
    const { id } = admin;
    const encoded = [...id].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join("");
    for (const path of [id, encoded, id.toUpperCase()]) {
      expect((await send("GET", `/admin/users/${path}`)).body.user?.id).toBe(id);
    }
  });

  test.each([
    ["another folder", "..", 404, "not_found"],
    ["this folder", ".", 404, "not_found"],
    ["another folder, encoded", "%2e%2E", 404, "not_found"],
    ["nothing", "", 404, "not_found"],
    ["two segments", "a/b", 404, "not_found"],
    ["a slash, encoded", "a%2Fb", 400, "validation_failed"],
    ["no id", "1", 400, "validation_failed"],
    ["a broken percent", "%", 400, "invalid_request"],
    ["half a percent", "%4", 400, "invalid_request"],
    ["no hexadecimal", "%zz", 400, "invalid_request"],
    ["no UTF-8", "%c3%28", 400, "invalid_request"],
    ["an overlong dot", "%c0%ae%c0%ae", 400, "invalid_request"],
    ["NUL", "%00", 400, "validation_failed"],
    ["a verb that there is not", `${"0".repeat(8)}-0000-4000-8000-${"0".repeat(12)}:promote`, 404, "not_found"],
    ["two verbs", "a:unlock:unlock", 404, "not_found"],
  ])("that is %s is refused", async (_name, segment, status, code) => {
    const answer = await send("GET", `/admin/users/${segment}`);
    expect([answer.status, answer.body.error?.code]).toStrictEqual([status, code]);
  });

  test("is where it is served, and nowhere else", async () => {
    const answer = await call<Body>(`${server.url}/admin/users/${admin.id}`);
    expect(answer.body.error?.code).toBe("not_found");
    const spelled = await wire.http1({ path: `/apixv1/admin/users/${admin.id}`, method: "GET" });
    expect(spelled.status).toBe(404);
  });

  test.each([
    ["POST", "", "GET, HEAD, PATCH, DELETE"],
    ["GET", ":unlock", "POST"],
    ["POST", "/roles/user", "PUT, DELETE"],
  ])("tells a %s of %s what is allowed", async (method, rest, allow) => {
    const answer = await send(method, `/admin/users/${admin.id}${rest}`, {});
    expect([answer.status, answer.body.error?.code, answer.allow]).toStrictEqual([405, "method_not_allowed", allow]);
  });
});

describe("the query of a list", () => {
  test.each([
    ["page_size=1&disabled=false"],
    ["pageSize=1&disabled=false"],
    ["page%5Fsize=1&query=&role=admin"],
    ["&page_size=1&&query=u"],
  ])("%s is read", async (query) => {
    expect((await send("GET", `/admin/users?${query}`)).body.users).toHaveLength(1);
  });

  test("has its letters percent-encoded, and a plus for a space", async () => {
    const { email } = admin.credentials;
    const found = await send("GET", `/admin/users?query=+${encodeURIComponent(email)}`);
    expect(found.body.users?.map(({ id }) => id)).toStrictEqual([admin.id]);
  });

  test.each([
    ["what is no field", "disbled=true"],
    ["a field of an envelope", "front_enc=1"],
    ["the name of an object's own", "__proto__=1"],
    ["a field twice", "page_size=1&page_size=2"],
    ["a field twice, by both its names", "page_size=1&pageSize=2"],
    ["text for a number", "page_size=many"],
    ["nothing for a number", "page_size="],
    ["a number that is not whole", "page_size=1.5"],
    ["a number with an exponent", "page_size=1e1"],
    ["a number that is too large", "page_size=4294967297"],
    ["text for a truth", "disabled=yes"],
    ["no UTF-8", "query=%ff"],
    ["a broken percent", "query=%"],
  ])("with %s is refused", async (_name, query) => {
    const answer = await send("GET", `/admin/users?${query}`);
    expect([answer.status, answer.body.error?.code]).toStrictEqual([400, "invalid_request"]);
  });
});

describe("a body", () => {
  test("may repeat what the address says, and not contradict it", async () => {
    const { id } = await newMember({ ...server, url: `${server.url}/api.v1` });
    const { email } = newUser();
    expect((await send("PATCH", `/admin/users/${id}`, { user_id: id, email })).status).toBe(200);
    const other = await send("PATCH", `/admin/users/${id}`, { user_id: admin.id, email: newUser().email });
    expect(other.body.error?.code).toBe("invalid_request");
  });

  test("is not needed where there is nothing to say", async () => {
    const { id } = await newMember({ ...server, url: `${server.url}/api.v1` });
    expect((await send("POST", `/admin/users/${id}:unlock`)).status).toBe(200);
    expect((await send("PUT", `/admin/users/${id}/roles/admin`)).status).toBe(200);
    expect((await send("DELETE", `/admin/users/${id}/roles/admin`)).status).toBe(200);
    expect((await send("DELETE", `/admin/users/${id}?expected_version=7`)).body.error?.code).toBe("conflict");
    expect((await send("DELETE", `/admin/users/${id}?expected_version=1`)).status).toBe(200);
  });
});

describe("a sealed call", () => {
  const sealed = async (body: object, binding: string) =>
    seal(server, body, { recipient: await recipientOf(server.url, "ECDH-ES"), binding });

  test("takes the user from its address, which the envelope is bound to", async () => {
    const { id } = await newMember({ ...server, url: `${server.url}/api.v1` });
    const { email } = newUser();
    const { envelope, openAnswer } = await sealed({ email }, `/admin/users/${id}`);
    const answer = await send("PATCH", `/admin/users/${id}`, { __front_enc__: envelope });
    const { __front_enc__: front } = answer.body as unknown as { __front_enc__: Parameters<typeof openAnswer>[0] };
    const opened = JSON.parse(Buffer.from(await openAnswer(front)).toString()) as { user: object };
    expect(opened.user).toMatchObject({ id, email });
  });

  test("for one user does nothing to another", async () => {
    const [one, other] = [await newMember({ ...server, url: `${server.url}/api.v1` }), admin];
    const { envelope } = await sealed({ email: newUser().email }, `/admin/users/${one.id}`);
    const moved = await send("PATCH", `/admin/users/${other.id}`, { __front_enc__: envelope });
    expect(moved.body.error?.code).toBe("envelope_invalid");
    const { envelope: contradicting } = await sealed({ user_id: one.id }, `/admin/users/${other.id}`);
    const refused = await send("PATCH", `/admin/users/${other.id}`, { __front_enc__: contradicting });
    expect(refused.body.error?.code).toBe("invalid_request");
  });
});

describe("a template", () => {
  test.each([
    "/a/*",
    "/a/**",
    "/a/{b=*}",
    "/a/{b.c}",
    "/a/{b}{c}",
    "/a/{b}/{b}",
    "/a/x{b}",
    "/a/",
    "a",
    "/a:b/c",
    "/A",
  ])("%s is beyond the subset", (path) => {
    expect(parseTemplate(path)).toBeUndefined();
  });

  test("takes a dot for a dot", () => {
    const template = parseTemplate("/a.b/{c}") as Template;
    expect(matchTemplate(template, "/a.b/x.y")).toStrictEqual({ c: "x.y" });
    expect(matchTemplate(template, "/axb/x")).toBeUndefined();
  });
});

test("what is sealed for the address of a user is nobody else's to open", () => {
  const routes = readHttpRoutes([UserService]);
  for (const path of ["/admin/users/x", "/admin/users/%zz", "/admin/users/x:unlock"]) {
    expect(isDeclared(routes, path)).toBe(true);
  }
  expect(isDeclared(routes, "/admin/users/x/y")).toBe(false);
});
