// Words for those who do not see the page change, and messages that stay until they are read.

import { el, fill } from "./dom.js";
import { plural, shortId } from "./format.js";

/** What happens within so long is said together. */
const GATHER_MS = 1500;
const TOAST_MS = 7000;
const MOST_TOASTS = 4;

const gathered = [];
const ended = new Map();
let timer = null;

/** Have a screen reader say *text*, when it has time. */
export function announce(text) {
  gathered.push(text);
  timer ??= setTimeout(speak, GATHER_MS);
}

/** Say that a job has changed its state; of many at once, only how many. */
export function announceChange(job) {
  ended.set(job.job_id, job.status);
  timer ??= setTimeout(speak, GATHER_MS);
}

function speak() {
  timer = null;
  const said = [...gathered.splice(0)];
  if (ended.size > 3) {
    const counts = new Map();
    for (const status of ended.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
    for (const [status, count] of counts) said.push(`${plural(count, "job")} ${status}`);
  } else for (const [id, status] of ended) said.push(`Job ${shortId(id)} ${status}`);
  ended.clear();
  fill(document.getElementById("announcer"), said.join(". "));
}

/**
 * A message on the page. *kind* is `good`, `bad` or `plain`; with an *action* (`{name, act}`) it stays until it is
 * used or closed, and so does a bad one.
 */
export function toast(text, { kind = "plain", action = null } = {}) {
  const holder = document.getElementById("toasts");
  const close = () => node.remove();
  const act = action && el("button", { type: "button", class: "quiet", onclick: () => { close(); action.act(); } }, action.name);
  const node = el(
    "div",
    { class: "toast", "data-kind": kind, role: kind === "bad" ? "alert" : "status" },
    el("p", {}, text),
    act,
    el("button", { type: "button", class: "quiet icon", "aria-label": "Close this message", onclick: close }, "×"),
  );
  holder.append(node);
  while (holder.children.length > MOST_TOASTS) holder.firstChild.remove();
  if (!action && kind !== "bad") setTimeout(close, TOAST_MS);
}
