// States as a shape, a word and a colour: never by colour alone.

import { el, setAttribute, setText, svg } from "./dom.js";
import { ending, shownState } from "./format.js";

/** State -> the path of its sign in a box of 16 x 16. */
const SIGNS = {
  queued: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2.2 1.6",
  starting: "M3 8h2M7 8h2M11 8h2",
  running: "M5 3.2l7.5 4.8L5 12.8z",
  completed: "M3 8.5l3.4 3.4L13 4.6",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M4.2 4.2l7.6 7.6",
  cancelling: "M4.5 4.5h7v7h-7z",
  paused: "M5.5 3.5v9M10.5 3.5v9",
};

/** The sign alone; the word must stand beside it. */
export function sign(state) {
  return svg("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" }, svg("path", { d: SIGNS[state] ?? SIGNS.queued }));
}

/** A badge; show a job with `showBadge`. */
export function badge(state = "queued") {
  return el("span", { class: "badge", "data-state": state }, sign(state), el("span", { class: "word" }, state));
}

/** Have *node*, a badge, say *state*. */
export function showState(node, state, word = state) {
  if (node.dataset.state !== state) {
    setAttribute(node, "data-state", state);
    node.firstChild.replaceWith(sign(state));
  }
  setText(node.lastChild, word);
}

/** Have *node* say the state of *job*, and how it ended where that says more. */
export function showBadge(node, job, cancelling = false) {
  const state = cancelling && ["queued", "running"].includes(job.status) ? "cancelling" : shownState(job);
  const how = ending(job);
  showState(node, state, job.status === "failed" && how ? `failed: ${how}` : state);
}
