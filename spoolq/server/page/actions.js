// What one may do with a job, and what has been asked for and is not done yet. A button that was pressed cannot be pressed
// again before the answer; what ends a running job takes a second press, and a double click is not two.

import { announce, toast } from "./announce.js";
import { ask, jobPath, NoAnswer } from "./api.js";
import { setAttribute, setText, el } from "./dom.js";
import { shortId, shownState } from "./format.js";
import { keep, kept } from "./kept.js";
import { refreshAll } from "./live.js";

/** For so long a first press waits for the second. */
const ARMED_MS = 8000;
/** A second press sooner than this is a double click. */
const DOUBLE_MS = 450;

/** Cancels that are under way outlive a reload: they may take a while. */
const KEPT = "spoolq-cancelling";

/** Job -> what is under way: `cancelling`, `retrying`, `moving`. */
const underWay = new Map((kept(KEPT, { tab: true }) ?? "").split(" ").filter(Boolean).map((id) => [id, "cancelling"]));

/** `changed` when that has changed; the detail is the job's id. */
export const doing = new EventTarget();

/** What is under way for a job: `cancelling`, `retrying`, `moving`, or null. */
export function underWayFor(id) {
  return underWay.get(id) ?? null;
}

function mark(id, what) {
  if (what) underWay.set(id, what);
  else underWay.delete(id);
  const cancelling = [...underWay].filter(([, each]) => each === "cancelling").map(([each]) => each);
  keep(KEPT, cancelling.join(" ") || null, { tab: true });
  doing.dispatchEvent(new CustomEvent("changed", { detail: id }));
}

/** Forget what is over: the job has left the state from which it was asked to go. */
export function settle(job) {
  const what = underWay.get(job.job_id);
  const ended = !["queued", "running"].includes(job.status);
  if ((what === "cancelling" && ended) || (what === "retrying" && !ended)) mark(job.job_id, null);
}

async function perform(id, what, request, done) {
  if (underWay.has(id)) return;
  mark(id, what);
  try {
    done(await request());
  } catch (error) {
    mark(id, null);
    const unsure = error instanceof NoAnswer ? " It may have been done all the same: the page will show it." : "";
    toast(`Job ${shortId(id)}: ${error.message}.${unsure}`.replace("..", "."), { kind: "bad" });
  }
  refreshAll();
}

/** Cancel a job. One that was queued can be put back. */
export function cancel(job) {
  const id = job.job_id;
  announce(`Cancelling job ${shortId(id)}`);
  return perform(id, "cancelling", () => ask("POST", jobPath(id, "/cancel")), (answer) => {
    if (answer.status === "requested") return; // it runs, and is being stopped: the state will say when it is done
    mark(id, null);
    toast(`Job ${shortId(id)} cancelled.`, { action: { name: "Undo", act: () => retry(job) } });
  });
}

/** Put an ended job back into the queue. */
export function retry(job) {
  const id = job.job_id;
  return perform(id, "retrying", () => ask("POST", jobPath(id, "/retry")), (answer) => {
    if (answer.status === "requested") return;
    mark(id, null);
    toast(`Job ${shortId(id)} is queued again.`, { kind: "good" });
  });
}

/** Give a queued job another priority. */
export function prioritise(job, priority) {
  const id = job.job_id;
  return perform(id, "moving", () => ask("PUT", jobPath(id, "/priority"), { body: { priority } }), (answer) => {
    mark(id, null);
    announce(`Job ${shortId(id)} has priority ${priority} and position ${answer.position_in_queue}`);
  });
}

/** A button that does *act* at once, unless that is under way. */
export function button(name, act, given = {}) {
  return el("button", { type: "button", onclick: (event) => isBusy(event.currentTarget) || act(event), ...given }, name);
}

/** A button that does *act* at its second press; *armed* is what it says between the two. */
export function twiceButton(name, armed, act, given = {}) {
  let since = 0;
  let timer = null;
  const relax = () => {
    clearTimeout(timer);
    since = 0;
    node.removeAttribute("data-armed");
    if (!isBusy(node)) setText(node, name);
  };
  const press = () => {
    if (isBusy(node)) return;
    const now = Date.now();
    if (since && now - since < DOUBLE_MS) return;
    if (since) {
      relax();
      act();
      return;
    }
    since = now;
    setAttribute(node, "data-armed", "");
    setText(node, armed);
    announce(armed);
    timer = setTimeout(relax, ARMED_MS);
  };
  const node = button(name, press, { onblur: relax, ...given });
  return node;
}

/** Whether a button's work is under way. */
export function isBusy(node) {
  return node.getAttribute("aria-disabled") === "true";
}

/** Show on *node*, a button, whether its work is under way. It keeps the focus meanwhile, which `disabled` would take. */
export function busy(node, under, name, busyName) {
  if (node.hasAttribute("data-armed") && !under) return;
  setAttribute(node, "aria-disabled", under ? "true" : null);
  setText(node, under ? busyName : name);
}

/** The buttons of one job; give it a job with `showActions`. */
export function actions(job) {
  const holder = el("div", { class: "actions", role: "group", "aria-label": `Actions for job ${shortId(job.job_id)}` });
  holder.job = job;
  return holder;
}

/** Have *holder* hold what can be done with *job* now; nothing for one who may only look. */
export function showActions(holder, job, may) {
  settle(job);
  holder.job = job;
  const kind = !may || job.status === "completed" ? "" : ["queued", "running"].includes(job.status) ? job.status : "ended";
  if (holder.dataset.kind !== kind) {
    holder.dataset.kind = kind;
    holder.replaceChildren(...buttonsFor(kind, holder));
  }
  const what = underWayFor(job.job_id);
  setAttribute(holder, "data-state", what === "cancelling" ? "cancelling" : job.status === "queued" ? "idle" : shownState(job));
  const [first] = holder.children;
  if (kind === "queued" || kind === "running") busy(first, what === "cancelling", "Cancel", "Cancelling…");
  if (kind === "ended") busy(first, what === "retrying", "Retry", "Retrying…");
}

function buttonsFor(kind, holder) {
  const described = { "aria-describedby": `job-${holder.job.job_id}` };
  const act = (verb) => () => verb(holder.job);
  if (kind === "queued") return [button("Cancel", act(cancel), { class: "danger", ...described })];
  if (kind === "running") return [twiceButton("Cancel", "Press again to cancel", act(cancel), { class: "danger", ...described })];
  if (kind === "ended") return [button("Retry", act(retry), described)];
  return [];
}
