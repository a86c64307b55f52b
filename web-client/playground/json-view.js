import { h } from "./dom.js";
import { parse } from "./wire.js";

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?/g;

/** JSON, indented and coloured, its long texts shortened in the middle; any other text as it is. */
export function jsonView(text, { longest }) {
  const value = parse(text);
  if (value === undefined) return [text];
  const source = JSON.stringify(value, (_name, member) => shorten(member, longest), 2);
  const parts = [];
  let end = 0;
  for (const match of source.matchAll(TOKEN)) {
    const [whole, string, colon] = match;
    parts.push(source.slice(end, match.index));
    if (colon !== undefined) parts.push(h("span", { class: "j-name" }, string), colon);
    else parts.push(h("span", { class: classOf(string) }, whole));
    end = match.index + whole.length;
  }
  return [...parts, source.slice(end)];
}

/** Long text without words may break anywhere. */
function classOf(string) {
  if (string === undefined) return "j-value";
  const isBlob = string.length > LONG && !/\s/.test(string.replace(GAP, ""));
  return isBlob ? "j-text j-blob" : "j-text";
}

const LONG = 40;
const GAP = / … \d+ more … /;
const TAIL = 12;

function shorten(member, longest) {
  if (typeof member !== "string") return member;
  const left = member.length - longest - TAIL;
  const notice = ` … ${left} more … `;
  // A cut that saves nothing is none.
  if (left <= notice.length) return member;
  return `${member.slice(0, longest)}${notice}${member.slice(-TAIL)}`;
}
