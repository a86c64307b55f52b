import type { Authority, EnvelopeMember, SealedBody } from "./authority.ts";
import { AuthError } from "./errors.ts";

export type OpenOptions = {
  /** The call that the body arrived at: the path of its URL as the client called it, without the query. */
  binding: string;
};

/** A sealed JSON body: one of the members, and nothing beside it. */
export type SealedJson = { [member in EnvelopeMember]?: Record<string, unknown> };

export type Opened<T = unknown> = {
  payload: T;
  /** Seals the answer under the key of the request, once or more often, for ten minutes. */
  seal(payload: unknown): Promise<SealedJson>;
  /** The same for an answer that is JSON text already. */
  sealText(json: Uint8Array): Promise<SealedJson>;
};

const MEMBERS: readonly EnvelopeMember[] = ["__front_enc__", "__session_enc__"];

/** Whether it carries an envelope. @throws AuthError `invalid_request` when it carries anything beside it. */
export function findSealed(body: unknown): SealedBody | undefined {
  if (!isObject(body)) return undefined;
  const member = MEMBERS.find((name) => Object.hasOwn(body, name));
  if (member === undefined) return undefined;
  const envelope = body[member];
  if (Object.keys(body).length > 1 || !isObject(envelope)) {
    throw new AuthError("invalid_request", { message: "An envelope travels alone: send nothing beside it." });
  }
  return { member, envelope };
}

/**
 * Opens a sealed body. The server accepts it once.
 * @throws AuthError `envelope_required` for one that is not sealed, the other `envelope_` reasons, `channel_expired`,
 * `invalid_request`, `unavailable`.
 */
export async function openBody<T>(authority: Authority, body: unknown, { binding }: OpenOptions): Promise<Opened<T>> {
  const sealed = findSealed(body);
  if (sealed === undefined) throw new AuthError("envelope_required");
  const { payload, ticket } = await authority.open(sealed, binding);
  const sealText = async (json: Uint8Array) => {
    const { member, envelope } = await authority.seal(ticket, json);
    return { [member]: envelope };
  };
  return {
    payload: parsePayload(payload) as T,
    sealText,
    seal: (answer) => sealText(Buffer.from(JSON.stringify(answer ?? null))),
  };
}

/** JSON from outside, in clear or out of an envelope. @throws AuthError `invalid_request`. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes), refuseProto);
  } catch (cause) {
    throw new AuthError("invalid_request", { message: "The body is not the JSON of a request.", cause });
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Merged into another object it would change that object's prototype. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new SyntaxError("a member is named __proto__");
  return value;
}

function parsePayload(bytes: Uint8Array): unknown {
  const payload = parseJson(bytes);
  if (isObject(payload) && MEMBERS.some((name) => Object.hasOwn(payload, name))) {
    throw new AuthError("invalid_request", { message: "An envelope cannot hold another envelope." });
  }
  return payload;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
