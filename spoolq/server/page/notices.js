// What the whole page should know: the line, the pause, what is wrong with the spool, a newer page.

import { ask, isTrouble, path } from "./api.js";
import { busy, button } from "./actions.js";
import { toast } from "./announce.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { clockTime, shortTime } from "./format.js";
import { live, mayAct, refreshAll, tryNow } from "./live.js";
import { oneLine } from "./plain.js";

/** After a line was lost, the page says since when it is back for so long. */
const BACK_MS = 10 * 60000;

function lineWords() {
  const { line, tries, backAt, retryAt } = live;
  if (line === "signed-out") return "signed out";
  if (line === "resting") return "resting";
  if (line === "lost") {
    const wait = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    return `reconnecting… (try ${tries}${wait > 1 ? `, in ${wait} s` : ""})`;
  }
  if (line !== "open") return "connecting…";
  return backAt && Date.now() - backAt < BACK_MS ? `live, back since ${clockTime(backAt)}` : "live";
}

/** Show the state of the line in the page's head. Called when it changes, and each second. */
export function showLine() {
  const node = document.getElementById("connection");
  setAttribute(node, "data-state", live.stale && live.line !== "signed-out" ? "lost" : live.line);
  setText(document.getElementById("connection-text"), lineWords());
  document.getElementById("main").classList.toggle("stale", live.stale);
}

async function change(node, to, name, busyName, body) {
  busy(node, true, name, busyName);
  try {
    await ask("POST", path(to), { body });
  } catch (error) {
    if (!isTrouble(error)) throw error;
    toast(`Cannot ${name.toLowerCase()}: ${error.message}.`, { kind: "bad" });
  }
  busy(node, false, name, busyName);
  refreshAll();
}

/** The button that pauses the queue, with a field for the reason. */
export function pauseControl() {
  const reason = el("input", { type: "text", maxlength: 200, placeholder: "reason, for others (optional)", "aria-label": "Reason for the pause" });
  const go = el("button", { type: "submit" }, "Pause");
  const box = el("details", { class: "pause" }, el("summary", {}, "Pause"), el("form", { onsubmit: async (event) => {
    event.preventDefault();
    if (go.getAttribute("aria-disabled")) return;
    await change(go, "/pause", "Pause", "Pausing…", { reason: reason.value.trim() || null });
    box.open = false;
    reason.value = "";
  } }, el("p", { class: "dim" }, "What runs goes on; nothing more is begun."), reason, go));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      box.open = false;
      box.firstChild.focus();
    }
  });
  return box;
}

const resume = button("Resume", () => change(resume, "/resume", "Resume", "Resuming…"));
let seen = "";

/** Show what is to be noticed. */
export function showNotices() {
  const { status } = live;
  const known = document.querySelector("meta[name=spoolq-version]").content;
  const parts = {
    stale: live.stale && live.answeredAt ? clockTime(live.answeredAt) : null,
    problem: live.stale ? live.problem : "",
    paused: live.paused ? (status?.pause ?? {}) : null,
    troubles: status?.troubles ?? [],
    newer: status && status.version !== known ? status.version : null,
    act: mayAct(),
    look: Boolean(status?.read_only),
  };
  const key = JSON.stringify(parts);
  if (key === seen) return;
  seen = key;
  fill(
    document.getElementById("notices"),
    parts.stale && el("div", { class: "notice", "data-kind": "bad", role: "status" }, el("p", {}, `No connection to the server. What is below is as of ${parts.stale}. ${oneLine(parts.problem)}`), button("Try now", tryNow)),
    parts.newer && el("div", { class: "notice", role: "status" }, el("p", {}, `The server runs version ${oneLine(parts.newer)} now.`), button("Reload the page", () => location.reload())),
    parts.paused && el("div", { class: "notice", "data-kind": "warn", role: "status" }, el("p", {}, pauseWords(parts.paused)), parts.act ? resume : null),
    parts.troubles.map(({ what, path: where, next }) => el("div", { class: "notice", "data-kind": "warn", role: "status" }, el("p", {}, oneLine(`${what}: ${where}. ${next}`)))),
    parts.look && el("div", { class: "notice quiet" }, el("p", {}, "You may look, and change nothing: your token is a read-only one.")),
  );
}

function pauseWords({ reason, at }) {
  return `The queue is paused${at ? ` since ${shortTime(at)}` : ""}${reason ? `: ${oneLine(reason)}` : ""}.`;
}
