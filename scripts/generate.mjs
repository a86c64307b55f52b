// Generates everything that follows from proto/: the code in gen/, gen/openapi.json and docs/errors.md.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { getOption } from "@bufbuild/protobuf";
import { commentOf, readContract } from "./contract.mjs";
import { buildOpenApi } from "./openapi.mjs";

/** @param {string} typeName */
const extension = (typeName) => {
  const found = contract.getExtension(typeName);
  if (found === undefined) throw new Error(`the contract has no option ${typeName}`);
  return found;
};

execFileSync("node_modules/.bin/buf", ["generate"], { stdio: "inherit" });
const contract = readContract();
const services = ["auth.v1.AuthService", "auth.v1.KeyService", "admin.v1.UserService", "admin.v1.RoleService"].map(
  (name) => {
    const service = contract.getService(name);
    if (service === undefined) throw new Error(`the contract has no service ${name}`);
    return service;
  },
);
const reasons = readReasons();

const openApi = buildOpenApi(services, {
  http: extension("google.api.http"),
  access: extension("auth.v1.access"),
  permission: extension("auth.v1.permission"),
  successStatus: extension("auth.v1.success_status"),
  reasons,
});
writeFileSync("gen/openapi.json", `${JSON.stringify(openApi, null, 2)}\n`);
writeFileSync("docs/errors.md", errorsPage());

function readReasons() {
  const reason = contract.getEnum("auth.v1.ErrorReason");
  if (reason === undefined) throw new Error("the contract has no auth.v1.ErrorReason");
  return reason.values
    .filter(({ number }) => number !== 0)
    .map((value) => {
      const response = /** @type {{ httpStatus: number, grpcCode: string, message: string }} */ (
        /** @type {unknown} */ (getOption(value, extension("auth.v1.response")))
      );
      const code = value.name.replace("ERROR_REASON_", "").toLowerCase();
      return {
        code,
        status: response.httpStatus,
        grpc: response.grpcCode,
        message: response.message,
        text: commentOf(value),
      };
    });
}

function errorsPage() {
  const reason = contract.getEnum("auth.v1.ErrorReason");
  const rows = reasons.map(
    ({ code, status, grpc, text }) => `| \`${code}\` | ${status} | ${grpc} | ${text.replaceAll("\n\n", " ")} |`,
  );
  return `# Errors

<!-- Generated from proto/auth/v1/error_reason.proto by \`npm run generate\`. -->

${reason === undefined ? "" : commentOf(reason)}

\`\`\`json
{"error":{"code":"token_expired","message":"The access token has expired. Refresh it."}}
\`\`\`

The message is for people and may change; the code does not. Beside it, \`rate_limited\`, \`account_locked\`, \`overloaded\` and
\`unavailable\` may carry \`Retry-After\` in seconds, \`rate_limited\` carries \`RateLimit-Limit\`, \`RateLimit-Remaining\` and
\`RateLimit-Reset\`, the \`token_\` reasons \`WWW-Authenticate: Bearer\`, and \`method_not_allowed\` carries \`Allow\`.

| code | HTTP | gRPC, Connect | when |
|---|---|---|---|
${rows.join("\n")}
`;
}
