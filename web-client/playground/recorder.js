import { AUTH, envelopeOf, errorOf, HANDSHAKE } from "./wire.js";

/**
 * Watches the network. Each request becomes a step: what was sent and received, to the byte, and how long it took. A step
 * belongs to the call that is current; `onStep` sees each when it is answered.
 */
export function createRecorder({ onStep }) {
  let count = 0;
  let current;
  /** Changes the next request to an RPC of accounts on its way out, once. */
  let meddle;

  /** A fetch for a client. `source` says whose requests these are: the page's own, or those of an experiment. */
  const fetchOf = (source) => async (input, init) => {
    const { pathname } = new URL(input, location.href);
    const changed = meddle !== undefined && pathname.startsWith(AUTH) ? meddle(bodyOf(init)) : undefined;
    if (changed !== undefined) meddle = undefined;
    const sent = changed?.body ?? bodyOf(init);
    const step = {
      id: ++count,
      source,
      path: pathname,
      name: nameOf(pathname),
      kind: kindOf(pathname),
      method: init?.method ?? "GET",
      authorization: new Headers(init?.headers).get("authorization") ?? undefined,
      sent,
      change: changed?.note,
      form: envelopeOf(sent)?.form ?? "none",
      startedMs: performance.now(),
    };
    current?.steps.push(step);
    try {
      const response = await fetch(input, changed === undefined ? init : { ...init, body: sent });
      step.received = await response.clone().text();
      step.status = response.status;
      if (!response.ok) step.error = errorOf(step.received);
      return response;
    } catch (error) {
      step.error = { code: "offline", message: "No answer came." };
      throw error;
    } finally {
      step.durationMs = performance.now() - step.startedMs;
      onStep(step);
    }
  };

  return {
    fetchOf,
    /** The steps from here on are this call's. */
    begin(call) {
      current = call;
    },
    /** Clear text, where the client has shown it. The `iv` tells which step it is. */
    inspect({ request, envelope, opened }) {
      const step = current?.steps.findLast(({ sent }) => sent.includes(envelope.iv));
      if (step === undefined) return;
      step.clear = request;
      step.opened = opened;
    },
    meddleOnce(change) {
      meddle = change;
    },
  };
}

function bodyOf(init) {
  const body = init?.body;
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : (body ?? "");
}

function nameOf(path) {
  return path.endsWith("/jwks.json") ? "Key set" : (path.split("/").at(-1) ?? path);
}

function kindOf(path) {
  if (path === HANDSHAKE) return "handshake";
  return path.endsWith("/jwks.json") ? "keys" : "call";
}
