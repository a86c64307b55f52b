import { bytesText, h } from "./dom.js";
import { clearOf, mainStep, openedOf, sizeOf } from "./exchange.js";
import { jsonView } from "./json-view.js";
import { aadOf } from "./wire.js";

const LONGEST = { clear: 96, wire: 220 };

/** A call as a card: a headline, the requests it took, and one of them in three panes. */
export function createCard(call) {
  const panes = h("div", { class: "panes" });
  const titleId = `call-${call.id}`;
  const chips = call.steps.map((step, index) => chip(step, index, () => select(step)));
  const steps = h("ol", { class: "steps", "aria-label": "Requests of this call" }, ...chips.map((c) => h("li", {}, c)));
  const select = (step) => {
    for (const [index, each] of chips.entries()) each.setAttribute("aria-pressed", call.steps[index] === step);
    panes.replaceChildren(...panesOf(step, call));
  };
  const first = mainStep(call);
  if (first !== undefined) select(first);
  return h(
    "article",
    { class: "card", "data-call": call.kind, "data-outcome": outcomeOf(call), "aria-labelledby": titleId },
    h(
      "details",
      { open: true },
      h(
        "summary",
        {},
        h("h3", { id: titleId }, call.title),
        h("span", { class: "badge" }, call.modeLabel),
        h("span", { class: `badge badge-${outcomeOf(call)}`, "data-code": call.code }, call.code),
        h("span", { class: "took" }, `${Math.round(call.durationMs)} ms`),
      ),
      verdict(call),
      call.steps.length > 1 && steps,
      panes,
    ),
  );
}

function outcomeOf({ code, promised }) {
  if (code === "ok") return "good";
  return promised?.includes(code) ? "promised" : "bad";
}

/** What the contract says of the code, and why it is right; of a code that nobody promised, its message alone. */
function verdict(call) {
  const why = outcomeOf(call) === "bad" ? undefined : call.why;
  if (call.message === undefined && why === undefined) return undefined;
  const message = call.message && h("p", { class: "message" }, `“${call.message}”`);
  return h("div", { class: "verdict" }, message, why && h("p", {}, why));
}

function chip(step, index, onclick) {
  const result = step.error?.code ?? String(step.status ?? "");
  return h(
    "button",
    { type: "button", class: "chip", "data-failed": String(step.error !== undefined), onclick },
    h("span", { class: "chip-number", "aria-hidden": "true" }, String(index + 1)),
    `${step.name} `,
    h("span", { class: "chip-result" }, result),
  );
}

function panesOf(step, call) {
  const clear = clearOf(step, call);
  const opened = openedOf(step);
  const request = `${step.method} ${step.path}`;
  return [
    pane("clear", "Clear text", [
      clear.text !== undefined && block(`${step.name}: clear text`, clear.text, LONGEST.clear),
      note(clear.note),
      clear.text !== undefined && note(bytesText(sizeOf(clear.text))),
    ]),
    pane("wire", "On the wire", [
      line("→", step.sent === "" ? request : `${request} · ${bytesText(sizeOf(step.sent))}`),
      step.authorization && line("", `authorization: ${shortened(step.authorization)}`),
      step.sent !== "" && block(`${step.name}: sent`, step.sent, LONGEST.wire),
      aadOf(step.sent) && note(`aad reads ${aadOf(step.sent)}`),
      step.change && h("p", { class: "change" }, step.change),
      line("←", `${step.status ?? "no answer"} · ${bytesText(sizeOf(step.received ?? ""))}`),
      step.received && block(`${step.name}: received`, step.received, LONGEST.wire),
    ]),
    pane("opened", "Opened answer", [
      opened.error && h("p", { class: "code" }, opened.error.code),
      opened.error && h("p", {}, opened.error.message),
      opened.text !== undefined && block(`${step.name}: opened answer`, opened.text, LONGEST.clear),
      note(opened.note),
    ]),
  ];
}

function pane(kind, title, children) {
  return h("section", { class: `pane pane-${kind}` }, h("h4", {}, title), ...children);
}

/** Scrolls by itself when it is long, also by keyboard. */
function block(label, text, longest) {
  return h("pre", { tabindex: "0", role: "region", "aria-label": label }, ...jsonView(text, { longest }));
}

function line(arrow, text) {
  return h("p", { class: "line" }, h("span", { class: "arrow", "aria-hidden": "true" }, arrow), text);
}

function note(text) {
  return text && h("p", { class: "note" }, text);
}

function shortened(header) {
  return header.length > 40 ? `${header.slice(0, 28)}… (${header.length} characters)` : header;
}
