import { byId, h } from "./dom.js";
import { randomText } from "./wire.js";

/** Faults that a user never sees, because the client puts them right. Each makes an ordinary call in bad circumstances. */
export function startMends({ page, settings, recorder, run }) {
  const call = () => (page.client.isLoggedIn ? page.client.me() : page.client.login(page.credentials()));
  const longestS = Math.max(settings.accessTtlS, settings.channelTtlS);
  const mends = [
    {
      id: "lose-channel",
      title: "Re-key: lose the channel",
      text: "The next message names a channel that the server has never seen.",
      why: "The server says channel_expired and has done nothing yet. The client shakes hands again, seals the call on the new channel, and sends it once more.",
      async work() {
        if (page.mode !== "channel") await page.setMode("channel");
        recorder.meddleOnce((text) => loseChannel(text));
        await call();
      },
    },
    {
      id: "jump",
      title: `Let ${waitText(longestS)} pass`,
      text: "The page's clock jumps ahead, past the end of token and channel.",
      why: "Token and channel count as over, and the time as wrong: the client takes the server's, opens a channel where it needs one, refreshes, and makes the call.",
      async work() {
        page.jump(longestS);
        await call();
      },
    },
    {
      id: "herd",
      title: "Ten calls, no token",
      text: "The token is over, and ten calls want it at the same time.",
      why: "The page's clock is ahead as well: what is sealed by it is refused with envelope_expired, and the client takes the server's time. Then one refresh serves all ten. A refresh for each would race, and a race of refresh tokens looks like theft.",
      async work() {
        if (!page.client.isLoggedIn) await page.client.login(page.credentials());
        page.jump(longestS);
        await Promise.all(Array.from({ length: 10 }, () => page.client.me()));
      },
    },
  ];
  byId("mends").append(...mends.map((mend) => h("li", {}, button(mend))));

  function button({ id, title, text, ...mend }) {
    const onclick = () => run({ kind: `mend-${id}`, title, ...mend });
    return h(
      "button",
      { type: "button", class: "tile", "data-mend": id, "aria-describedby": `mend-${id}`, onclick },
      h("span", { class: "tile-title" }, title),
      h("span", { class: "tile-text", id: `mend-${id}` }, text),
    );
  }
}

function loseChannel(text) {
  const body = JSON.parse(text);
  if (body.__session_enc__ === undefined) return undefined;
  const __session_enc__ = { ...body.__session_enc__, sid: randomText(16) };
  return {
    body: JSON.stringify({ __session_enc__ }),
    note: "Changed on its way: sid, to one that was never given out.",
  };
}

function waitText(seconds) {
  return seconds < 60 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
}
