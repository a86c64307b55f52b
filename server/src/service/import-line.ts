import { canonicalEmail } from "../domain/email.ts";
import { AuthError } from "../domain/errors.ts";
import { DEFAULT_ROLE } from "../domain/user.ts";
import { parseUsername, USERNAME_RULE } from "../domain/username.ts";
import { parseUuid } from "../domain/uuid.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { EMAIL_RULE } from "./create-user.ts";
import type { ImportedUser } from "./import-ports.ts";

export type ReadLineDeps = {
  foreignHashProblem(hash: string): string | undefined;
  /** @throws AuthError `validation_failed` */
  parsePublicData(json: unknown): Record<string, unknown>;
  newId(): string;
  roles: ReadonlySet<string>;
  now: Date;
};

const MAX_LENGTH = 65_536;
const MEMBERS = new Set([
  "id",
  "email",
  "username",
  "password_hash",
  "email_verified",
  "roles",
  "data_public",
  "created_at",
]);
/** RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** A user from a line of JSON. @throws AuthError `validation_failed` that names every member that is wrong. */
export function readImportLine(deps: ReadLineDeps, line: string): ImportedUser {
  const json = parseObject(line);
  const problems: Problems = [];
  const check = <T>(field: string, value: T | undefined, problem: string): T | undefined => {
    if (value === undefined) problems.push({ field, problem });
    return value;
  };
  for (const name of Object.keys(json)) check(name, MEMBERS.has(name) || undefined, "is no member of a user");
  const hash = typeof json["password_hash"] === "string" ? json["password_hash"] : undefined;
  const hashProblem = hash === undefined ? "is required" : deps.foreignHashProblem(hash);
  if (hashProblem !== undefined) problems.push({ field: "password_hash", problem: hashProblem });
  const user = {
    id: check("id", json["id"] === undefined ? deps.newId() : mapText(json["id"], parseUuid), "must be a UUID"),
    email: check("email", mapText(json["email"], canonicalEmail), EMAIL_RULE),
    username: check("username", mapText(json["username"], parseUsername), USERNAME_RULE),
    emailVerified: check("email_verified", readBoolean(json["email_verified"]), "must be true or false"),
    roles: check("roles", readRoles(json["roles"], deps.roles), "must be names of roles that there are"),
    createdAt: check(
      "created_at",
      readTime(json["created_at"], deps.now),
      "must be a time of the past, as in RFC 3339",
    ),
  };
  refuseProblems(problems);
  const dataPublic = json["data_public"] === undefined ? {} : deps.parsePublicData(json["data_public"]);
  // Every member that is undefined was refused.
  return { ...(user as Required<typeof user>), passwordHash: hash, dataPublic } as ImportedUser;
}

function parseObject(line: string): Record<string, unknown> {
  if (line.length <= MAX_LENGTH) {
    try {
      const json: unknown = JSON.parse(line);
      if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
    } catch {
      // Said below, as of any other text that is no object.
    }
  }
  throw new AuthError("validation_failed", { message: `is no JSON object of at most ${MAX_LENGTH} characters` });
}

function mapText<T>(value: unknown, map: (text: string) => T | undefined): T | undefined {
  return typeof value === "string" ? map(value) : undefined;
}

function readBoolean(value: unknown = false): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function readRoles(value: unknown = [], known: ReadonlySet<string>): string[] | undefined {
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string" && known.has(name))) return undefined;
  return [...new Set([DEFAULT_ROLE, ...(value as string[])])];
}

function readTime(value: unknown, now: Date): Date | undefined {
  if (value === undefined) return now;
  const time = typeof value === "string" && TIME.test(value) ? new Date(value) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()) || time > now) return undefined;
  // PostgreSQL knows no year 0.
  return time.getUTCFullYear() < 1 ? undefined : time;
}
