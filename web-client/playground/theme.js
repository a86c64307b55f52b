import { byId } from "./dom.js";

/** Light or dark as the system says, until the button says otherwise. Nothing is stored: a reload asks the system again. */
export function startTheme() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen;
  const isDark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}
