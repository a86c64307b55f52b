import { type FrontAlg, type FrontJwk, importRecipient, type Recipient, type SigJwk } from "@sello/envelope";
import { AuthError, untrusted } from "./errors.ts";
import { membersOf, parseJson } from "./json.ts";
import type { Fetch } from "./network.ts";
import { type Pins, pinnedOf } from "./pins.ts";
import type { ServerTime } from "./server-time.ts";
import { singleFlight } from "./single-flight.ts";

/** The server's keys of one moment. */
export type Keys = { readonly recipient: Recipient; readonly sigKeys: readonly SigJwk[] };

export type KeySet = {
  /** The keys in memory, or fetched by one request for all who wait. */
  load(): Promise<Keys>;
  /** Fetches them again, and the server's time with them, unless that has happened since `stale` was loaded. */
  reload(stale: Keys): Promise<Keys>;
};

export type KeySetOptions = {
  baseUrl: string;
  fetch: Fetch;
  time: ServerTime;
  prefer: FrontAlg;
  pins: Pins;
};

/** The first request revalidates what the browser keeps: an old `Date` would pass for the time. */
export function createKeySet({ baseUrl, fetch, time, prefer, pins }: KeySetOptions): KeySet {
  let current: Promise<Keys> | undefined;

  const read = async (cache: RequestCache): Promise<Keys> => {
    const response = await fetch(`${baseUrl}/.well-known/jwks.json`, { cache, credentials: "omit" });
    const { keys } = membersOf(parseJson(await response.text()));
    if (!response.ok || !Array.isArray(keys)) throw new AuthError("unavailable", "The server's keys did not come.");
    time.note(response.headers);
    return {
      recipient: await importFirst(inOrder(pinnedOf(keys, "enc_front", pins), prefer)),
      sigKeys: pinnedOf(keys, "sig", pins),
    };
  };
  const keep = (loading: Promise<Keys>): Promise<Keys> => {
    current = loading;
    loading.catch(() => {
      if (current === loading) current = undefined;
    });
    return loading;
  };
  const refetch = singleFlight(async () => await keep(read("reload")));

  return {
    load: () => current ?? keep(read("no-cache")),
    async reload(stale) {
      const known = await current?.catch(() => undefined);
      return known === undefined || known === stale ? await refetch() : known;
    },
  };
}

function inOrder(keys: readonly FrontJwk[], prefer: FrontAlg): FrontJwk[] {
  return [...keys.filter(({ alg }) => alg === prefer), ...keys.filter(({ alg }) => alg !== prefer)];
}

/** The first key that this browser can use: an old one lacks X25519. */
async function importFirst(keys: readonly FrontJwk[]): Promise<Recipient> {
  let cause: unknown;
  for (const key of keys) {
    try {
      return await importRecipient(key);
    } catch (error) {
      cause = error;
    }
  }
  throw untrusted("The server publishes no key that may be sealed for.", cause);
}
