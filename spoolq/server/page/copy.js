// Putting text into the clipboard, also where a page is not served over TLS and browsers keep the clipboard back.

import { announce } from "./announce.js";
import { el, svg } from "./dom.js";

/** A button that copies what *text*() returns; *name* says what that is. */
export function copyButton(text, name) {
  return el("button", { type: "button", class: "quiet icon", "aria-label": name, title: name, onclick: () => copy(text(), name) }, svg("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: "M6 5.5h7v8H6zM10 5.5V2.5H3v8h3" })));
}

async function copy(text, name) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text).catch(() => copySelected(text));
  else copySelected(text);
  announce(`${name}: done`);
}

function copySelected(text) {
  const field = el("textarea", { class: "unseen", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  const focused = document.activeElement;
  field.select();
  document.execCommand("copy");
  field.remove();
  focused?.focus();
}
