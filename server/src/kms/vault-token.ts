import { VaultError, type VaultHttp } from "./vault-http.ts";

/** The token that requests are made with. */
export type VaultToken = Disposable & {
  current(): string;
  /** Looks where the token came from. Whether it is another one now. */
  reread(): Promise<boolean>;
};

export type VaultTokenOptions = {
  http: VaultHttp;
  /** Reads the token: from the configuration, or from the file where an agent keeps it. */
  read(): Promise<string>;
  onError(error: unknown): void;
  onWarning(message: string): void;
  /** What else is looked after when the token is, at least once a minute. */
  alongside(): Promise<void>;
};

/** Without `ttlS` it never ends. */
type Life = { ttlS: number | undefined; renewable: boolean };

/** The longest wait: so old may be what is known of the token and of the key. */
const LONGEST_WAIT_MS = 60_000;
const SHORTEST_WAIT_MS = 500;
const PRINTABLE = /^[\x21-\x7e]{1,4096}$/;

/**
 * Keeps a token alive: it is renewed when half its life is over, and read again from where it came from at each look. What fails
 * is tried again after one second, two, and so on up to a minute.
 * @throws VaultError when Vault does not know the token, or does not answer.
 */
export async function openVaultToken(options: VaultTokenOptions): Promise<VaultToken> {
  const { http, read, onError, onWarning, alongside } = options;
  let token = await readToken(read);
  /** Whether nothing is known of the token yet. */
  let isNew = true;
  let renewAt = Number.POSITIVE_INFINITY;
  let renewable = false;
  let longestS = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let disposed = false;

  function adopt(life: Life): void {
    isNew = false;
    renewable = life.renewable;
    renewAt = life.ttlS === undefined ? Number.POSITIVE_INFINITY : performance.now() + life.ttlS * 500;
    if (life.ttlS === undefined) return;
    longestS = Math.max(longestS, life.ttlS);
    // At the end of its longest life a token is renewed for less and less.
    if (renewable && life.ttlS >= longestS * 0.9) return;
    onWarning(`the token of Vault cannot be renewed and ends in ${life.ttlS} s: give another one before`);
  }

  async function reread(): Promise<boolean> {
    const found = await readToken(read);
    if (found === token) return false;
    token = found;
    isNew = true;
    longestS = 0;
    return true;
  }

  async function lookAfter(): Promise<void> {
    await reread();
    if (isNew) adopt(await lookUp(http, token));
    else if (performance.now() >= renewAt) adopt(renewable ? await renew(http, token) : await lookUp(http, token));
    await alongside();
  }

  function plan(): void {
    if (disposed) return;
    const untilMs = failures === 0 ? renewAt - performance.now() : 1_000 * 2 ** Math.min(failures - 1, 6);
    timer = setTimeout(
      async () => {
        try {
          await lookAfter();
          failures = 0;
        } catch (error) {
          failures += 1;
          onError(error);
        }
        plan();
      },
      Math.max(SHORTEST_WAIT_MS, Math.min(untilMs, LONGEST_WAIT_MS)),
    );
    timer.unref();
  }

  adopt(await lookUp(http, token));
  plan();
  return {
    current: () => token,
    reread,
    [Symbol.dispose]() {
      disposed = true;
      clearTimeout(timer);
    },
  };
}

async function readToken(read: () => Promise<string>): Promise<string> {
  const token = (await read()).trim();
  if (!PRINTABLE.test(token)) throw new VaultError("the token of Vault is empty, or no text that can be one");
  return token;
}

async function lookUp(http: VaultHttp, token: string): Promise<Life> {
  const { status, body } = await http.send({ method: "GET", path: "auth/token/lookup-self", token });
  if (status !== 200)
    throw new VaultError(`Vault does not take the token, or not for lookup-self (${status})`, { status });
  const { ttl, expire_time: expires, renewable } = body.data ?? {};
  // A token with less than a second left has the `ttl` of one that never ends.
  return { ttlS: expires === null ? undefined : toSeconds(ttl), renewable: renewable === true };
}

async function renew(http: VaultHttp, token: string): Promise<Life> {
  const { status, body } = await http.send({ method: "POST", path: "auth/token/renew-self", token, body: {} });
  if (status !== 200) throw new VaultError(`Vault does not renew the token (${status})`, { status });
  return { ttlS: toSeconds(body.auth?.["lease_duration"]), renewable: body.auth?.["renewable"] === true };
}

function toSeconds(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new VaultError("Vault does not say how long the token lives");
  }
  return value;
}
