import { ACTIONS } from "./actions.js";
import { clearFields } from "./data-fields.js";
import { byId } from "./dom.js";
import { showFactor } from "./factor.js";
import { clearSessions } from "./sessions.js";
import { randomText } from "./wire.js";

/** The forms and buttons of what a user does. */
export function startAccount({ demo, perform }) {
  if (demo !== null) {
    byId("identifier").value = demo.username;
    byId("password").value = demo.password;
  }
  byId("no-demo").hidden = demo !== null;
  suggestNewcomer();
  clearFields();
  for (const [id, action] of Object.entries(ACTIONS)) {
    const control = byId(id);
    const isForm = control.tagName === "FORM";
    control.addEventListener(isForm ? "submit" : "click", async (event) => {
      event.preventDefault();
      if (action.check?.() === false) return;
      const code = await perform(id, action);
      if (id === "register" && code === "ok") suggestNewcomer();
    });
  }
}

let shownId;

/** Says who is logged in, or with which code the server ended the session. Nobody sees the sessions or the data of another. */
export function showUser(user, endedBy) {
  const isAnother = user?.id !== shownId;
  if (isAnother) {
    clearSessions();
    clearFields();
  }
  showFactor(user, { isAnother });
  shownId = user?.id;
  byId("user").textContent = user?.username ?? "nobody";
  byId("user-detail").textContent = user?.email ?? (endedBy ? `the server ended the session: ${endedBy.code}` : "");
}

/** Somebody who is not there yet, so that registering works at the first try. */
function suggestNewcomer() {
  const name = `ada-${randomText(6)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "7")}`;
  byId("username").value = name;
  byId("email").value = `${name}@example.com`;
  byId("new-password").value = `correct horse ${randomText(6)}`;
}
