import { byId, clockText } from "./dom.js";
import { grantOf, readToken } from "./token.js";
import { envelopeOf, parse } from "./wire.js";

/** The client leaves a channel when this part of its life is left. */
const LAST_PART = 0.1;
const TICK_MS = 500;

/**
 * The strip that shows what the client holds: the access token and the channel, with their ends. All of it is read off the
 * page's own calls; `nowMs` is the clock that the client has, which an experiment may put ahead.
 */
export function startClocks({ settings, nowMs }) {
  let token;
  let channel;
  let handshakeMs;

  const show = () => {
    showPart("token", token, { nowMs, isDue: (left, whole) => left <= Math.min(30, whole * LAST_PART) });
    showPart("channel", channel, { nowMs, isDue: (left, whole) => left <= whole * LAST_PART });
    byId("token-text").textContent = token?.text ?? "none";
    byId("channel-id").textContent = channel?.sid ?? "none open";
    byId("channel-count").textContent =
      channel === undefined ? "" : `${channel.n} ${channel.n === 1 ? "message" : "messages"} so far`;
  };
  setInterval(show, TICK_MS);

  return {
    show,
    /** A step of the page's client, answered. */
    note(step) {
      if (step.kind === "handshake" && step.error === undefined) handshakeMs = nowMs();
      if (step.form === "stateful") noteChannel(step);
      show();
    },
    noteAnswer(text) {
      const grant = grantOf(parse(text));
      if (grant === undefined) return;
      const { header, isSealed, length } = readToken(grant.token);
      const kind = isSealed ? `${header.alg}, ${header.enc}` : header.alg;
      token = { ...grant, text: kind, endsMs: nowMs() + grant.expiresInS * 1000, wholeS: grant.expiresInS };
      byId("token-header").textContent = JSON.stringify(header, undefined, 2);
      byId("token-note").textContent = isSealed
        ? `${length} characters in five parts. This header is all that a browser can read: the claims are sealed for the services that check them.`
        : `${length} characters in three parts, signed and not sealed.`;
      byId("token-more").hidden = false;
      show();
    },
    dropToken() {
      token = undefined;
      byId("token-more").hidden = true;
      show();
    },
    dropChannel() {
      channel = undefined;
      show();
    },
    get token() {
      return token?.token;
    },
  };

  function noteChannel({ sent, error, startedMs }) {
    const { sid, n } = envelopeOf(sent).envelope;
    if (error?.code === "channel_expired") return;
    if (channel?.sid === sid) channel.n = Math.max(channel.n, n);
    else if (handshakeMs !== undefined || channel === undefined) {
      const begunMs = handshakeMs ?? startedMs;
      channel = { sid, n, endsMs: begunMs + settings.channelTtlS * 1000, wholeS: settings.channelTtlS };
      handshakeMs = undefined;
    }
  }
}

function showPart(name, part, { nowMs, isDue }) {
  const leftS = part === undefined ? 0 : (part.endsMs - nowMs()) / 1000;
  byId(`${name}-clock`).textContent = part === undefined ? "–:––" : clockText(leftS);
  const bar = byId(`${name}-bar`);
  bar.style.setProperty("--left", String(part === undefined ? 0 : Math.max(0, Math.min(1, leftS / part.wholeS))));
  bar.dataset.due = String(part !== undefined && isDue(leftS, part.wholeS));
}
