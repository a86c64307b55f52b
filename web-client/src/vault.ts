import type { AuthClient } from "./client.ts";
import { AuthError } from "./errors.ts";
import { createProfile } from "./profile.ts";
import { readRecoveryKey, writeRecoveryKey } from "./recovery-key.ts";
import { pbkdf2Iterations, readContent, type VaultContent, type Wrap, writeContent } from "./vault-content.ts";
import {
  keyOfPassphrase,
  keyOfRecovery,
  newDataKey,
  openData,
  random,
  sealData,
  unwrapDataKey,
  wrapDataKey,
} from "./vault-keys.ts";

/** A vault that was opened: its data, as JSON. */
export type OpenVault = {
  readonly data: unknown;
  /** Puts other data in its place. Rejects with `conflict` when another client was faster: open it again. */
  save(data: unknown): Promise<void>;
};

/**
 * Data of the user that only this page can read: the server keeps it, and never has the key. `vault_locked`: the passphrase or the
 * recovery key is another; `vault_damaged`: what the server keeps is not what was put there; `not_found`: there is no vault.
 */
export type Vault = {
  /** Returns the recovery key: show it once, keep it nowhere. Rejects with `already_exists`, `weak_password`. */
  create(passphrase: string, data: unknown): Promise<{ recoveryKey: string; vault: OpenVault }>;
  open(passphrase: string): Promise<OpenVault>;
  changePassphrase(passphrases: { current: string; next: string }): Promise<OpenVault>;
  /** Opens with the recovery key, and puts the vault under a new passphrase. The recovery key stays. */
  recover(recoveryKey: string, passphrase: string): Promise<OpenVault>;
  /** Removes the vault, which nobody can read any more. */
  discard(): Promise<void>;
};

/** `userId` is whose it is: it goes back to nobody else. */
type Stored = { content: VaultContent; version: number; userId: string };
type Under = { wrap: Wrap; key: CryptoKey; part: "by passphrase" | "by recovery key" };

const minPassphrase = 12;

/**
 * The vault of whoever is logged in. Once somebody else is, one that was opened before is `token_missing`. The passphrase must not be the login password, which the server sees at each login.
 */
export function createVault(client: Pick<AuthClient, "transport" | "user">): Vault {
  const server = createProfile(client);
  const userId = (): string => {
    if (client.user === undefined) throw new AuthError("token_missing", "Log in first.");
    return client.user.id;
  };

  async function get(): Promise<Stored> {
    const id = userId();
    const { content, version } = await server.getVault({});
    if (content.length === 0) throw new AuthError("not_found", "There is no vault yet.");
    return { content: readContent(content), version, userId: id };
  }
  /** In the place of another user's vault it would destroy that: nobody could open it. */
  async function put({ content, version: replacedVersion, userId }: Stored): Promise<Stored> {
    if (client.user?.id !== userId) throw new AuthError("token_missing", "The user of this vault is not logged in.");
    const { version } = await server.putVault({ content: writeContent(content), replacedVersion });
    return { content, version, userId };
  }

  async function show(stored: Stored, under: Under): Promise<OpenVault> {
    const { userId: id } = stored;
    const key = await unwrap(under, id, false);
    let present = stored;
    let data = await readData(key, stored.content, id);
    return {
      get data() {
        return data;
      },
      async save(next) {
        const content = { ...present.content, ...(await sealData(key, toBytes(next), id)) };
        present = await put({ ...present, content });
        data = next;
      },
    };
  }

  async function unwrap({ wrap, key, part }: Under, userId: string, extractable: boolean): Promise<CryptoKey> {
    try {
      return await unwrapDataKey(wrap, key, { part, userId, extractable });
    } catch (cause) {
      throw new AuthError("vault_locked", `The vault does not open ${part}.`, { cause });
    }
  }

  const underPassphrase = async ({ content }: Stored, passphrase: string): Promise<Under> => ({
    wrap: content.byPassphrase,
    key: await keyOfPassphrase(passphrase, content.salt, content.iterations),
    part: "by passphrase",
  });

  /** Puts the data key, which `under` opens, under another passphrase too. */
  async function move(stored: Stored, under: Under, passphrase: string): Promise<OpenVault> {
    const { userId: id } = stored;
    const moved = await wrapUnder(await unwrap(under, id, true), passphrase, id);
    const after = await put({ ...stored, content: { ...stored.content, ...moved } });
    return show(after, await underPassphrase(after, passphrase));
  }

  return {
    async create(passphrase, data) {
      refuseShort(passphrase);
      const id = userId();
      const present = await server.getVault({});
      if (present.content.length > 0) throw new AuthError("already_exists", "There is a vault already.");
      const key = await newDataKey();
      const secret = random(32);
      const part = "by recovery key";
      const byRecoveryKey = await wrapDataKey(key, await keyOfRecovery(secret), { part, userId: id });
      const sealed = await sealData(key, toBytes(data), id);
      const content = { ...(await wrapUnder(key, passphrase, id)), byRecoveryKey, ...sealed };
      const stored = await put({ content, version: present.version, userId: id });
      const recoveryKey = await writeRecoveryKey(secret);
      return { recoveryKey, vault: await show(stored, await underPassphrase(stored, passphrase)) };
    },

    async open(passphrase) {
      const stored = await get();
      return show(stored, await underPassphrase(stored, passphrase));
    },

    async changePassphrase({ current, next }) {
      refuseShort(next);
      const stored = await get();
      return move(stored, await underPassphrase(stored, current), next);
    },

    async recover(recoveryKey, passphrase) {
      refuseShort(passphrase);
      const secret = await readRecoveryKey(recoveryKey);
      if (secret === undefined) throw new AuthError("validation_failed", "The recovery key has a typing error.");
      const stored = await get();
      const key = await keyOfRecovery(secret);
      return move(stored, { wrap: stored.content.byRecoveryKey, key, part: "by recovery key" }, passphrase);
    },

    async discard() {
      const { version } = await server.getVault({});
      await server.putVault({ replacedVersion: version });
    },
  };
}

async function wrapUnder(key: CryptoKey, passphrase: string, userId: string) {
  const salt = random(16);
  const under = await keyOfPassphrase(passphrase, salt, pbkdf2Iterations);
  const byPassphrase = await wrapDataKey(key, under, { part: "by passphrase", userId });
  return { salt, iterations: pbkdf2Iterations, byPassphrase };
}

async function readData(key: CryptoKey, content: VaultContent, userId: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await openData(key, content, userId)));
  } catch (cause) {
    throw new AuthError("vault_damaged", "The data of the vault was changed.", { cause });
  }
}

function toBytes(data: unknown) {
  const text = JSON.stringify(data);
  if (text === undefined) throw new TypeError("A vault holds JSON.");
  return new TextEncoder().encode(text);
}

/** The server can try guesses for as long as it likes on what it keeps. */
function refuseShort(passphrase: string): void {
  if ([...passphrase.normalize("NFKC")].length < minPassphrase) {
    throw new AuthError("weak_password", `The passphrase must have at least ${minPassphrase} characters.`);
  }
}
