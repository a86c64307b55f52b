import { envelopeOf } from "./wire.js";

/** How calls travel. The keys are the values of the page's radio buttons. */
export const MODES = {
  none: { label: "In clear", client: { envelope: "none" } },
  rsa: { label: "Sealed, RSA", client: { envelope: "stateless", alg: "RSA-OAEP-256" } },
  ecdh: { label: "Sealed, ECDH", client: { envelope: "stateless", alg: "ECDH-ES" } },
  channel: { label: "Channel", client: { envelope: "stateful", alg: "ECDH-ES" } },
};

/** The step that a card shows first: what the call was about, not what made way for it. */
export function mainStep({ steps, focus }) {
  return focus ?? steps.findLast(({ kind }) => kind === "call") ?? steps.at(-1);
}

/** What a handshake holds, both ways. */
const HALVES = {
  ours: "The client's half of a key agreement, made for this handshake and forgotten after it. The channel's key is never sent.",
  theirs:
    "The channel's id, its life in seconds, and the server's half. The proof is the server's signature over both: nobody else could have answered.",
};

/** What a step says in clear text, as far as anybody in this page knows. */
export function clearOf(step, call) {
  if (step.clear !== undefined) return { text: step.clear, note: step.kind === "handshake" && HALVES.ours };
  if (step.kind === "keys") return { note: "A GET. The key set is public." };
  if (step.kind === "handshake" && step.form !== "none")
    return { note: "Sealed by a client that had no use for the answer." };
  if (step.form === "none") return { text: step.sent };
  return call.input === undefined ? { note: "Sealed before this page could see it." } : { text: call.input };
}

/** What came out of the answer. */
export function openedOf(step) {
  if (step.refusedByClient !== undefined) return { error: step.refusedByClient, note: "The client itself refuses it." };
  if (step.error !== undefined)
    return { error: step.error, note: "Errors travel in clear, also those of sealed calls." };
  if (step.opened !== undefined) return { text: step.opened, note: step.kind === "handshake" && HALVES.theirs };
  if (envelopeOf(step.received ?? "") !== undefined) return { note: "Sealed for a client that is gone." };
  return { text: step.received ?? "" };
}

export function sizeOf(text) {
  return new TextEncoder().encode(text).length;
}
