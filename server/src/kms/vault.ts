import { AuthError } from "../domain/errors.ts";
import type { WrapContext } from "../service/ports.ts";
import type { KmsProvider } from "../service/rewrap-ports.ts";
import { lengthPrefixed } from "./key-wrap.ts";
import { createVaultHttp, type VaultAnswer, VaultError, type VaultRequest } from "./vault-http.ts";
import { openVaultToken } from "./vault-token.ts";

export type VaultKmsOptions = {
  address: string;
  namespace: string | undefined;
  ca: Buffer | undefined;
  transitMount: string;
  transitKey: string;
  readToken(): Promise<string>;
  onError(error: unknown): void;
  onWarning(message: string): void;
};

/** `vault:v<version of the key>:<base64(iv‖ciphertext‖tag)>`, as Vault writes it. */
const FORM = /^vault:v([1-9]\d{0,8}):([A-Za-z0-9+/]{38,}={0,2})$/;
const KEY_TYPE = "aes256-gcm96";

/**
 * Wraps in a Transit engine. Its key is `derived`: Vault encrypts under a key made of the context, so that a text opens in its
 * own context alone, and `rewrap` can take one to the newest version without handing the secret out. (It cannot for a text that is
 * bound by `associated_data`.)
 * @throws VaultError at the start, unless Vault answers, the key is one that binds, and the token may use it.
 */
export async function openVaultKms(options: VaultKmsOptions): Promise<KmsProvider> {
  const { address, namespace, ca, transitMount, transitKey, readToken, onError, onWarning } = options;
  const http = createVaultHttp({ address, namespace, ca });
  let newest = 0;
  const learn = (version: number) => {
    newest = Math.max(newest, version);
  };

  const token = await openVaultToken({ http, read: readToken, onError, onWarning, alongside: readKey }).catch(close);
  async function close(error: unknown): Promise<never> {
    http[Symbol.dispose]();
    throw error;
  }

  /** A token that was replaced in its file is taken up by the first request that meets the old one's end. */
  async function send(request: Omit<VaultRequest, "token">): Promise<VaultAnswer> {
    const answer = await http.send({ ...request, token: token.current() });
    if (answer.status !== 403 || !(await token.reread())) return answer;
    return http.send({ ...request, token: token.current() });
  }

  async function readKey(): Promise<void> {
    const answer = await send({ method: "GET", path: `${transitMount}/keys/${transitKey}` });
    if (answer.status === 404)
      throw new VaultError(`Vault has no Transit key ${transitKey} under ${transitMount} (404)`);
    const { type, derived, convergent_encryption: convergent, latest_version: latest } = dataOf(answer);
    if (type !== KEY_TYPE || derived !== true || convergent === true || typeof latest !== "number") {
      throw new VaultError(
        `the Transit key ${transitKey} must be of type=${KEY_TYPE} and derived=true, not convergent`,
      );
    }
    learn(latest);
  }

  /** The data of an answer to a use of the key; undefined when Vault says that it is the text that is wrong. */
  async function use(operation: "encrypt" | "decrypt" | "rewrap", body: Record<string, string>, context: WrapContext) {
    const path = `${transitMount}/${operation}/${transitKey}`;
    try {
      const bound = {
        ...body,
        context: lengthPrefixed(["sello", context.purpose, context.subject]).toString("base64"),
      };
      const answer = await send({ method: "POST", path, body: bound });
      if (answer.status === 400 && operation !== "encrypt" && !lacksKey(answer)) return undefined;
      return dataOf(answer);
    } catch (cause) {
      throw new AuthError("unavailable", { cause });
    }
  }

  async function ciphertextOf(data: Record<string, unknown> | undefined): Promise<string | undefined> {
    if (data === undefined) return undefined;
    const { ciphertext } = data;
    const version = typeof ciphertext === "string" ? versionOf(ciphertext) : undefined;
    if (version === undefined) {
      throw new AuthError("unavailable", { cause: new VaultError("Vault answered no ciphertext of its own form") });
    }
    learn(version);
    return ciphertext as string;
  }

  const kms: KmsProvider = {
    async wrap(secret, context) {
      const plaintext = Buffer.from(secret).toString("base64");
      return (await ciphertextOf(await use("encrypt", { plaintext }, context))) as string;
    },

    async unwrap(wrapped, context) {
      const version = versionOf(wrapped);
      if (version === undefined) return undefined;
      const data = await use("decrypt", { ciphertext: wrapped }, context);
      if (data === undefined) return undefined;
      const secret = Buffer.from(String(data["plaintext"]), "base64");
      if (typeof data["plaintext"] !== "string" || secret.toString("base64") !== data["plaintext"]) {
        throw new AuthError("unavailable", { cause: new VaultError("Vault answered no plaintext of its own form") });
      }
      learn(version);
      return { secret, isCurrent: version === newest };
    },

    async rewrap(wrapped, context) {
      const version = versionOf(wrapped);
      if (version === undefined) return undefined;
      const fresh = await ciphertextOf(await use("rewrap", { ciphertext: wrapped }, context));
      return fresh === undefined || versionOf(fresh) !== version ? fresh : wrapped;
    },

    [Symbol.dispose]() {
      token[Symbol.dispose]();
      http[Symbol.dispose]();
    },
  };
  try {
    await readKey();
    await probe(kms);
    return kms;
  } catch (error) {
    kms[Symbol.dispose]();
    throw error instanceof AuthError && error.cause instanceof VaultError ? error.cause : error;
  }
}

/** Undefined unless the text is the one form of what Transit wrote: no other spelling of the same bytes is sent. */
function versionOf(text: string): number | undefined {
  const [, version, encoded] = FORM.exec(text) ?? [];
  if (version === undefined || encoded === undefined) return undefined;
  return Buffer.from(encoded, "base64").toString("base64") === encoded ? Number(version) : undefined;
}

function dataOf(answer: VaultAnswer): Record<string, unknown> {
  const { status, body } = answer;
  if (status === 400 && lacksKey(answer)) throw new VaultError("Vault has no Transit key of that name (400)");
  if (status === 200 && body.data !== undefined) return body.data;
  if (status === 403) throw new VaultError("Vault denies it: the token ended, or its policy lacks the path (403)");
  if (status === 404) throw new VaultError("Vault has nothing at that path: no such mount, or no such key (404)");
  throw new VaultError(`Vault did not do what was asked (${status})`);
}

/** Vault answers 400 for a text that does not open, and for a key that is gone: the second says nothing of the text. */
function lacksKey({ body }: VaultAnswer): boolean {
  const { errors } = body;
  return Array.isArray(errors) && errors.some((error) => /key not found|policy not found/i.test(String(error)));
}

/** Whether the token may do what a server does, and a text opens in its own context alone. */
async function probe(kms: Pick<KmsProvider, "wrap" | "unwrap" | "rewrap">): Promise<void> {
  const context = { purpose: "start", subject: "probe" };
  const wrapped = await kms.wrap(Buffer.from("probe"), context);
  const opened = await kms.unwrap((await kms.rewrap(wrapped, context)) ?? "", context);
  const elsewhere = await kms.unwrap(wrapped, { ...context, subject: "elsewhere" });
  if (opened?.secret.toString() !== "probe" || elsewhere !== undefined) {
    throw new VaultError("what Vault encrypts does not open in its own context alone");
  }
}
