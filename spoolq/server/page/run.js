// A running job as a card: what it is, how far it is, who runs it, and its log as it is written.

import { actions, showActions, underWayFor } from "./actions.js";
import { badge, showBadge } from "./badge.js";
import { since, ticking } from "./clock.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { duration, progressText, recipeOf, shortId, subject } from "./format.js";
import { live, mayAct } from "./live.js";
import { LogPane } from "./log.js";
import { oneLine } from "./plain.js";

const LINES = 200;
/** A heartbeat older than this, in seconds, is worth a look: one is due every 30. */
const LATE_S = 90;

/** A progress bar with its words; show a job's progress with `showProgress`. */
export function progressBar() {
  return el("div", { class: "progress" }, el("progress", { max: "100", "aria-label": "Progress" }), el("span", { class: "progress-text" }));
}

/** Have *node* show *progress*; nothing where the log does not tell. */
export function showProgress(node, progress) {
  setAttribute(node, "hidden", !progress);
  if (!progress) return;
  const text = oneLine(progressText(progress));
  setAttribute(node.firstChild, "value", progress.percent);
  setAttribute(node.firstChild, "aria-valuetext", text);
  setText(node.lastChild, text);
}

/** The GPUs of the slot that runs a job; "" where the settings do not tell. */
export function devicesOf(job) {
  const slot = job.worker?.split(".").pop(); // HOST.SLOT
  const devices = live.status?.devices[slot];
  return devices === undefined ? "" : devices === "" ? "none" : devices;
}

/** A fact: its name, and a place for its value that is returned. */
function fact(list, name) {
  const value = el("dd", {});
  list.append(el("div", {}, el("dt", {}, name), value));
  return value;
}

/** The card of a job; *toggle* is called with its id when its log is to be shown or hidden. */
export function runCard(job, toggle) {
  const id = job.job_id;
  const node = el("article", { class: "run", "aria-labelledby": `job-${id}` });
  const facts = el("dl", { class: "facts" });
  const parts = {
    badge: badge("running"),
    link: el("a", { id: `job-${id}`, class: "row-link subject", href: `#/job/${id}` }),
    actions: actions(job),
    progress: progressBar(),
    id: fact(facts, "job"),
    recipe: fact(facts, "recipe"),
    worker: fact(facts, "slot"),
    gpu: fact(facts, "GPU"),
    attempt: fact(facts, "attempt"),
    elapsed: fact(facts, "runs for"),
    heartbeat: fact(facts, "heartbeat"),
    log: el("button", { type: "button", class: "quiet", "aria-expanded": "false", "aria-controls": `log-${id}`, onclick: () => toggle(id) }, "Log"),
    holder: el("div", { id: `log-${id}`, class: "run-log", hidden: true }),
  };
  node.append(el("header", {}, parts.badge, el("h3", {}, parts.link), parts.log, parts.actions), parts.progress, facts, parts.holder);
  node.parts = parts;
  return node;
}

/** Have a card show *job*. */
export function showRun(node, job) {
  const { parts } = node;
  showBadge(parts.badge, job, underWayFor(job.job_id) === "cancelling");
  setText(parts.link, oneLine(subject(job)));
  showActions(parts.actions, job, mayAct());
  showProgress(parts.progress, job.progress);
  setText(parts.id, shortId(job.job_id));
  setText(parts.recipe, recipeOf(job, live.recipe));
  setText(parts.worker, job.worker ?? "");
  setText(parts.gpu, devicesOf(job));
  parts.gpu.parentElement.hidden = !parts.gpu.textContent;
  setText(parts.attempt, job.max_attempts ? `${job.attempt} of ${job.max_attempts}` : job.attempt);
  ticking(parts.elapsed, () => (job.started_at ? duration(since(job.started_at)) : "not yet"));
  ticking(parts.heartbeat, () => (job.heartbeat_at ? `${duration(since(job.heartbeat_at))} ago` : "none yet"));
  setAttribute(parts.heartbeat, "data-late", job.heartbeat_at && since(job.heartbeat_at) > LATE_S);
}

/** Show or hide the log in a card. */
export function showLog(node, job, open) {
  const { log, holder } = node.parts;
  if (open === !holder.hidden) return;
  holder.hidden = !open;
  setAttribute(log, "aria-expanded", String(open));
  node.pane?.stop();
  node.pane = null;
  if (!open) {
    fill(holder);
    return;
  }
  const state = el("span", { class: "dim", role: "status" });
  node.pane = new LogPane(job.job_id, { most: LINES, label: `Log of job ${shortId(job.job_id)}`, onState: (word) => setText(state, logWords(word)) });
  const whole = el("a", { href: `#/job/${job.job_id}` }, "Show the job and its whole log");
  fill(holder, node.pane.node, el("div", { class: "log-foot" }, state, node.pane.back, whole));
  node.pane.start();
}

/** The state of a log's stream in words. */
export function logWords(state) {
  return { connecting: "Connecting…", live: "Live", lost: "Reconnecting…", refused: "The server does not give this log.", ended: "The job has ended." }[state];
}
