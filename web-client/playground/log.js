import { byId, h } from "./dom.js";

const KEPT = 200;
/** A bar of full width. */
const LONGEST_MS = 400;
const FORMS = { none: "clear", stateless: "sealed", stateful: "channel" };

/** Every request of this page, the newest first. */
export function createLog() {
  const rows = byId("log-rows");
  return {
    add(step) {
      byId("log-empty").hidden = true;
      byId("log-table").hidden = false;
      // Answers come in another order than requests.
      const older = [...rows.children].find((each) => Number(each.dataset.id) < step.id);
      rows.insertBefore(row(step), older ?? null);
      while (rows.children.length > KEPT) rows.lastElementChild.remove();
    },
  };
}

function row({ id, startedMs, name, path, source, form, status, error, durationMs }) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" });
  bar.style.setProperty("--part", String(Math.min(1, durationMs / LONGEST_MS)));
  return h(
    "tr",
    { "data-id": String(id), "data-failed": String(error !== undefined) },
    h("td", { class: "number" }, String(id)),
    h("td", { class: "number" }, `${(startedMs / 1000).toFixed(2)} s`),
    h("th", { scope: "row" }, name, h("span", { class: "path" }, path)),
    h("td", {}, FORMS[form], source === "experiment" && h("span", { class: "path" }, "by experiment")),
    h("td", {}, String(status ?? "–"), error && h("span", { class: "path" }, ...breakable(error.code))),
    h("td", { class: "number took-cell" }, `${durationMs.toFixed(1)} ms`, bar),
  );
}

/** May go on in the next line after each underscore. */
function breakable(code) {
  return code.split(/(?<=_)/).flatMap((part, index) => (index === 0 ? [part] : [h("wbr"), part]));
}
