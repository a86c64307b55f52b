import { dataJson } from "./data-json.min.js";
import { byId } from "./dom.js";

/** The buttons and hints that hang on a class being read: who saves what was not read would put blanks over what is stored. */
const FORMS = [
  { classes: ["public", "protected"], form: "save-profile", hint: "read-first" },
  { classes: ["private"], form: "save-private", hint: "unlock-first" },
];

const fieldOf = (name) => byId(`data-${name}`);

/** The fields as nobody has filled them in: with what the messages have. */
export function clearFields() {
  for (const { classes, ...rest } of FORMS) {
    for (const name of classes) {
      byId(`data-${name}-fields`).textContent = `Members: ${dataJson[name].members || "none"}`;
      fill(name, undefined);
    }
    setRead(rest, false);
  }
}

/** Shows what the server answered, by class. A class that it left out has no data yet. */
export function showData(answer) {
  for (const { classes, ...rest } of FORMS) {
    if (!classes.some((name) => name in answer)) continue;
    for (const name of classes) fill(name, answer[name]);
    setRead(rest, true);
  }
}

/** The message of a field. */
export function dataOf(name) {
  return dataJson[name].read(fieldOf(name).value);
}

/** Whether all fields can be sent. What is wrong stands beside the field, and the first of them has the focus. */
export function checkFields(names) {
  const wrong = names.filter((name) => {
    const error = errorOf(name);
    mark(name, error);
    return error !== "";
  });
  if (wrong.length > 0) fieldOf(wrong[0]).focus();
  return wrong.length === 0;
}

function errorOf(name) {
  try {
    dataOf(name);
    return "";
  } catch (error) {
    const what = error instanceof SyntaxError ? "This is no JSON" : "The message does not take this";
    return `${what}: ${error.message}. Nothing was sent.`;
  }
}

function fill(name, message) {
  fieldOf(name).value = dataJson[name].write(message);
  mark(name, "");
}

function mark(name, error) {
  fieldOf(name).setAttribute("aria-invalid", String(error !== ""));
  byId(`data-${name}-error`).textContent = error;
}

function setRead({ form, hint }, isRead) {
  byId(form).querySelector("[type=submit]").disabled = !isRead;
  byId(hint).hidden = isRead;
}
