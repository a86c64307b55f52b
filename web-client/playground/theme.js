import { byId } from "./dom.js";

/** Light or dark as the system says, until the button says otherwise. Nothing is stored: a reload asks the system again. */
export function startTheme() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen;
  const isDark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    const theme = isDark() ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
    byId("theme-now").textContent = theme;
    button.title = `Switch to the ${isDark() ? "light" : "dark"} theme`;
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}
