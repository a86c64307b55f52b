import { byId, h } from "./dom.js";

const TIME = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });

/** Where the user is logged in, as a table with a button to end each. */
export function showSessions(sessions, onRevoke) {
  byId("sessions").hidden = sessions.length === 0;
  byId("session-rows").replaceChildren(...sessions.map((session) => row(session, onRevoke)));
}

function row({ id, lastUsedAt, userAgent, current }, onRevoke) {
  const name = browserOf(userAgent);
  const since = TIME.format(new Date(lastUsedAt));
  const label = current ? "Revoke this session" : `Revoke the session in ${name}, last used ${since}`;
  return h(
    "tr",
    { "data-current": String(current) },
    h("th", { scope: "row" }, name, current && h("span", { class: "here" }, "this one")),
    h("td", {}, since),
    h(
      "td",
      {},
      h("button", { type: "button", class: "quiet", "aria-label": label, onclick: () => onRevoke(id) }, "Revoke"),
    ),
  );
}

function browserOf(userAgent) {
  return /(Firefox|Edg|HeadlessChrome|Chrome|Safari|curl)\/[\d]+/.exec(userAgent)?.[0].replace("/", " ") ?? "Unknown";
}
