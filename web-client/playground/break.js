import { BREAKS } from "./breaks.js";
import { byId, h } from "./dom.js";
import { MODES } from "./exchange.js";

const FORM = { none: "none", rsa: "stateless", ecdh: "stateless", channel: "stateful" };

/** The list of things to break. Each button runs its experiment in the page's mode, or in one that it is about. */
export function startBreaks({ lab, mode, run }) {
  byId("breaks").append(...BREAKS.map((entry) => h("li", {}, button(entry))));

  function button(entry) {
    const { id, title, text } = entry;
    return h(
      "button",
      {
        type: "button",
        class: "tile",
        "data-break": id,
        "aria-describedby": `break-${id}`,
        onclick: () => start(entry),
      },
      h("span", { class: "tile-title" }, title),
      h("span", { class: "tile-text", id: `break-${id}` }, text),
    );
  }

  function start({ id, title, modes, promised, why, run: experiment }) {
    const chosen = modes.includes(mode()) ? mode() : (modes.find((each) => each === "ecdh") ?? modes[0]);
    const form = FORM[chosen];
    return run({
      kind: `break-${id}`,
      title,
      modeLabel: MODES[chosen].label,
      promised: [promised[form]],
      why: why[form],
      async work(call) {
        lab.step = async (action) => {
          const from = call.steps.length;
          const result = await action();
          return Object.assign(
            call.steps.slice(from).findLast(({ kind }) => kind !== "keys"),
            { result },
          );
        };
        const { focus, clear } = await experiment(lab, chosen);
        Object.assign(call, { focus, input: clear });
        const error = focus.refusedByClient ?? focus.error;
        Object.assign(call, { code: error?.code ?? "ok", message: error?.message });
      },
    });
  }
}
