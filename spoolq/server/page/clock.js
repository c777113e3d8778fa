// The server's clock, and texts that change with it.

import { setText } from "./dom.js";

const TICKING = new WeakMap();
const MARK = "data-ticking";
let offset = 0;
let held = null;

/** Learn from the server's time how far this clock is off. */
export function learn(serverTime) {
  const moment = Date.parse(serverTime ?? "");
  if (Number.isFinite(moment)) offset = moment - Date.now();
}

/** Now, in the server's time (ms); stands still while `hold` says that nothing is known any more. */
export function serverNow() {
  return held ?? Date.now() + offset;
}

/** Stop the clocks of the page at this moment, or let them go on: an age of stale data would be a guess. */
export function hold(stale) {
  held = stale ? (held ?? Date.now() + offset) : null;
}

/** Have *node* show what *text*() returns, now and each second. */
export function ticking(node, text) {
  TICKING.set(node, text);
  node.setAttribute(MARK, "");
  setText(node, text());
  return node;
}

/** Seconds since an ISO time. */
export function since(moment) {
  return (serverNow() - Date.parse(moment)) / 1000;
}

/** Show all of them anew. Called each second. */
export function tick() {
  for (const node of document.querySelectorAll(`[${MARK}]`)) setText(node, TICKING.get(node)?.() ?? "");
}
