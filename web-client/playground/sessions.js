import { byId, h } from "./dom.js";

const TIME = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" });

/** Where the user is logged in, as a table with a button to end each. The focus stays in it, or goes to what lists them. */
export function showSessions(sessions, onRevoke) {
  const rows = byId("session-rows");
  const focused = [...rows.children].findIndex((each) => each.contains(document.activeElement));
  byId("sessions").hidden = sessions.length === 0;
  rows.replaceChildren(...sessions.map((session) => row(session, onRevoke)));
  if (focused === -1) return;
  const neighbour = rows.children[focused] ?? rows.lastElementChild;
  (neighbour?.querySelector("button") ?? byId("list")).focus();
}

export function clearSessions() {
  showSessions([]);
}

function row(session, onRevoke) {
  const { lastUsedAt, userAgent, current } = session;
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
      h("button", { type: "button", class: "quiet", "aria-label": label, onclick: () => onRevoke(session) }, "Revoke"),
    ),
  );
}

function browserOf(userAgent) {
  return /(Firefox|Edg|HeadlessChrome|Chrome|Safari|curl)\/[\d]+/.exec(userAgent)?.[0].replace("/", " ") ?? "Unknown";
}
