// Single keys that lead around the page, and the list of them. They can be switched off: some people speak their input.

import { el, fill } from "./dom.js";
import { keep, kept } from "./kept.js";

const KEPT = "spoolq-keys";
const LIST = [
  ["?", "this list"],
  ["/", "search"],
  ["j, k", "next and previous job"],
  ["Enter", "open the job that has the focus"],
  ["x", "choose it, to compare (history)"],
  ["n", "new job"],
  ["q, h, r", "queue, history, results"],
  ["Esc", "close, or leave a field"],
];
const PLACES = { n: "#/new", q: "#/", h: "#/history", r: "#/results" };

function areOn() {
  return kept(KEPT) !== "off";
}

/** Show the list of keys. */
export function showHelp() {
  const dialog = document.getElementById("help");
  if (dialog.open) return;
  const box = el("input", { type: "checkbox", checked: areOn(), onchange: () => keep(KEPT, box.checked ? null : "off") });
  fill(
    dialog,
    el("h2", { id: "help-title" }, "Keys"),
    el("dl", { class: "keys" }, LIST.map(([key, does]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, does)))),
    el("label", { class: "check" }, box, "Use single keys"),
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  dialog.showModal();
}

/** The row in which the focus is, and all rows. */
function rows() {
  const links = [...document.querySelectorAll("#main .row-link")].filter((link) => link.offsetParent);
  const at = links.findIndex((link) => link === document.activeElement || link.closest("tr, article, li")?.contains(document.activeElement));
  return { links, at };
}

function step(by) {
  const { links, at } = rows();
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function search() {
  const field = [...document.querySelectorAll("#main input[type=search]")].find((each) => each.offsetParent);
  if (field) field.focus();
  else location.hash = "#/history";
  return field;
}

function isWriting(target) {
  return target.matches("input:not([type=checkbox], [type=radio]), textarea, select") || target.isContentEditable;
}

/** Listen for keys. */
export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (event.key === "Escape" && isWriting(target)) target.blur();
    if (isWriting(target) || !areOn() || document.querySelector("dialog[open]")) return;
    const acts = {
      "?": showHelp,
      "/": search,
      j: () => step(1),
      k: () => step(-1),
      x: () => rows().links[rows().at]?.closest("tr")?.querySelector(".choose")?.click(),
    };
    const act = acts[event.key] ?? (event.key in PLACES ? () => { location.hash = PLACES[event.key]; } : null);
    if (!act) return;
    event.preventDefault();
    act();
  });
}
