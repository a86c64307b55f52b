import { loginText } from "./lab.js";
import { AUTH, envelopeOf, flipBit, HANDSHAKE, randomText } from "./wire.js";

const HOUR_MS = 3_600_000;
const STATELESS = ["rsa", "ecdh"];
const SEALED = ["rsa", "ecdh", "channel"];

/**
 * Things to break. Each says which modes it is about (the first one is taken where the page is in another), what the server
 * promises, and why that is right; `run` returns the clear text it began with and what it changed.
 */
export const BREAKS = [
  {
    id: "flip",
    title: "Flip one bit",
    text: "Seal a login, turn over a single bit of it on its way.",
    modes: SEALED,
    promised: { stateless: "envelope_invalid", stateful: "channel_expired" },
    why: {
      stateless:
        "AES-GCM vouches for every bit. The server gives the same answer whatever was wrong, so that nobody learns by trying.",
      stateful:
        "The message no longer opens under the channel's key, and whoever lacks that key is not even told that the channel exists.",
    },
    run: (lab, mode) =>
      tamper(lab, mode, (envelope) => {
        const { flipped, note } = flipBit(envelope.ct);
        envelope.ct = flipped;
        return `Changed: ct, ${note}`;
      }),
  },
  {
    id: "replay",
    title: "Replay a request",
    text: "Log in, then send the very same bytes once more.",
    modes: SEALED,
    promised: { stateless: "envelope_replayed", stateful: "envelope_replayed" },
    why: {
      stateless: "A recording is as well sealed as the original. The server remembers each one until its time is over.",
      stateful:
        "Each message of a channel has a number, and each number is accepted once, on whichever replica it arrives.",
    },
    async run(lab, mode) {
      let recorded = "";
      const client = lab.client(mode, (path, response, init) => {
        if (path === `${AUTH}Login`) recorded = new TextDecoder().decode(init.body);
        return response;
      });
      await client.login(lab.credentials());
      const focus = await lab.step(() => lab.post(`${AUTH}Login`, recorded));
      focus.change = "Changed: nothing at all. It is the request before, byte for byte.";
      await client.logout();
      return { focus, clear: loginText(lab.credentials()) };
    },
  },
  {
    id: "binding",
    title: "Send it elsewhere",
    text: "Seal a login, send it to Register.",
    modes: SEALED,
    promised: { stateless: "envelope_invalid", stateful: "channel_expired" },
    why: {
      stateless:
        "The name of the call is sealed in with the message: no one on the way can turn one call into another.",
      stateful: "The name of the call is part of what the key vouches for, so for Register this message does not open.",
    },
    async run(lab, mode) {
      const { text, clear } = await lab.sealLogin(mode);
      return { clear, ...(await send(lab, `${AUTH}Register`, text, "Changed: the address. It was sealed for Login.")) };
    },
  },
  {
    id: "stale",
    title: "Be an hour late",
    text: "Seal a login by a clock that is an hour slow.",
    modes: STATELESS,
    promised: { stateless: "envelope_expired" },
    why: {
      stateless:
        "An envelope is good for 60 seconds, so the server need not remember every one forever. A client takes the server's time and seals anew.",
    },
    async run(lab, mode) {
      const { path, text, clear } = await lab.sealLogin(mode, { skewMs: -HOUR_MS });
      return { clear, ...(await send(lab, path, text, "Changed: ts in the sealed aad, an hour back.")) };
    },
  },
  {
    id: "kid",
    title: "Name an unknown key",
    text: "Seal a login, put another key's name on it.",
    modes: STATELESS,
    promised: { stateless: "envelope_unknown_key" },
    why: {
      stateless:
        "Keys rotate. This code alone tells a client to fetch the key set again; the name of a key is public, so it gives nothing away.",
    },
    run: (lab, mode) =>
      tamper(lab, mode, (envelope) => {
        envelope.kid = randomText(32);
        return "Changed: kid, to a key that is not published.";
      }),
  },
  {
    id: "channel",
    title: "Guess a channel",
    text: "Seal a message, put another channel's id on it.",
    modes: ["channel"],
    promised: { stateful: "channel_expired" },
    why: {
      stateful:
        "A channel that never was, one that is over and one of somebody else get one answer: ids cannot be probed.",
    },
    run: (lab, mode) =>
      tamper(lab, mode, (envelope) => {
        envelope.sid = randomText(16);
        return "Changed: sid, to one that was never given out.";
      }),
  },
  {
    id: "clear",
    title: "Leave the seal off",
    text: "Ask for a channel in clear text.",
    modes: ["none"],
    promised: { none: "envelope_required" },
    why: {
      none: "Where a seal is required the server says so before it looks at anything else, and no client can talk it down. A handshake requires one always; with ENVELOPE_POLICY=sealed-required, every call does.",
    },
    run: (lab) => send(lab, HANDSHAKE, "{}", "Changed: the envelope is missing."),
  },
  {
    id: "answer",
    title: "Forge the answer",
    text: "Turn over a bit of what the server answers.",
    modes: SEALED,
    promised: { stateless: "server_untrusted", stateful: "server_untrusted" },
    why: {
      stateless:
        "The answer is sealed too, for this very request. What does not open is not the server's, and the client drops it.",
      stateful:
        "The answer is sealed too, under the number of its question. What does not open is not the server's, and the client drops it.",
    },
    async run(lab, mode) {
      let note = "";
      const client = lab.client(mode, async (path, response) => {
        if (!path.startsWith(AUTH)) return response;
        const { member, envelope } = envelopeOf(await response.text());
        const { flipped, note: where } = flipBit(envelope.ct);
        note = `Changed: ct of the answer, ${where}`;
        return new Response(JSON.stringify({ [member]: { ...envelope, ct: flipped } }), response);
      });
      const focus = await lab.step(async () => {
        const error = await client.logout().catch((caught) => caught);
        return { code: error?.code ?? "ok", message: error?.message };
      });
      focus.refusedByClient = focus.result;
      focus.change = note;
      return { focus, clear: "{}" };
    },
  },
  {
    id: "refresh",
    title: "Reuse a refresh token",
    text: "Refresh twice, then come back with the first token.",
    modes: ["none"],
    promised: { none: "refresh_reused" },
    why: {
      none: "Two parties hold one chain, and nobody can tell which of them is the thief: the session ends, its access tokens too.",
    },
    async run(lab) {
      const refresh = (refreshToken) => lab.post(`${AUTH}RefreshToken`, { refreshToken });
      const first = await lab.openSession();
      const second = await refresh(first.refreshToken);
      await refresh(second.refreshToken);
      const focus = await lab.step(() => refresh(first.refreshToken));
      focus.change = "Changed: nothing. It is the first token, after its successor was used.";
      await lab.post(`${AUTH}GetMe`, {}, { token: first.token });
      return { focus };
    },
  },
  {
    id: "token",
    title: "Alter an access token",
    text: "Turn over one bit of a good token, ask who I am.",
    modes: ["none"],
    promised: { none: "token_invalid" },
    why: {
      none: "A token is sealed and signed as a whole. What was wrong with it is for the server's log, not for the sender.",
    },
    async run(lab) {
      const { token, done } = await lab.borrowToken();
      const parts = token.split(".");
      const { flipped, note } = flipBit(parts.at(-2));
      const altered = parts.with(-2, flipped).join(".");
      const focus = await lab.step(() => lab.post(`${AUTH}GetMe`, {}, { token: altered }));
      focus.change = `Changed: part ${parts.length - 1} of the token, ${note}`;
      await done();
      return { focus };
    },
  },
];

/** Seals a login, changes its envelope, sends that. */
async function tamper(lab, mode, change) {
  const { path, text, clear } = await lab.sealLogin(mode);
  const { member, envelope } = envelopeOf(text);
  const note = change(envelope);
  return { clear, ...(await send(lab, path, JSON.stringify({ [member]: envelope }), note)) };
}

async function send(lab, path, text, note) {
  const focus = await lab.step(() => lab.post(path, text));
  focus.change = note;
  return { focus };
}
