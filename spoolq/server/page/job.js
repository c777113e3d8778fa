// One job: what it is, how it went, its scores, its log, all that is on record.

import { actions, doing, showActions, underWayFor } from "./actions.js";
import { isTrouble, jobPath, read } from "./api.js";
import { badge, showBadge } from "./badge.js";
import { since, ticking } from "./clock.js";
import { copyButton } from "./copy.js";
import { el, fill, setAttribute, setText, table } from "./dom.js";
import { bytes, duration, ending, fullTime, number, plural, recipeOf, shortId, shortTime, subject } from "./format.js";
import { jobLog } from "./joblog.js";
import { live, mayAct, news } from "./live.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";
import { devicesOf, progressBar, showProgress } from "./run.js";

const ENDED = ["completed", "failed", "cancelled"];

function time(moment) {
  return moment ? el("time", { datetime: moment, title: fullTime(moment) }, shortTime(moment)) : null;
}

function took(job) {
  if (!job.started_at) return null;
  const text = () => (job.completed_at ? duration((Date.parse(job.completed_at) - Date.parse(job.started_at)) / 1000) : duration(since(job.started_at)));
  return job.completed_at ? text() : ticking(el("span"), text);
}

/** The facts of a job, those that are known. */
function factsOf(job) {
  const policy = (value) => (value === null || value === undefined ? "the spool's" : duration(value));
  return [
    ["Recipe", recipeOf(job, live.recipe)],
    ["Priority", job.priority],
    ["Position", job.position_in_queue === null ? null : `${job.position_in_queue}, so many are served before`],
    ["Waits because", job.reason && oneLine(job.reason)],
    ["Submitted", time(job.created_at)],
    ["By", job.submitted_by === null ? null : `uid ${job.submitted_by}`],
    ["Started", time(job.started_at)],
    ["Ended", time(job.completed_at)],
    ["Ran for", took(job)],
    ["Slot", job.worker && [oneLine(job.worker), devicesOf(job) && ` (GPU ${devicesOf(job)})`]],
    ["Heartbeat", job.status === "running" && job.heartbeat_at ? ticking(el("span"), () => `${duration(since(job.heartbeat_at))} ago`) : null],
    ["Attempt", job.attempt ? `${job.attempt}${job.max_attempts ? ` of ${job.max_attempts}` : ""}` : null],
    ["Outcome", ending(job) || job.outcome],
    ["Time limit", ENDED.includes(job.status) && job.timeout === null ? null : policy(job.timeout)],
    ["Peak memory", job.peak_memory_mib === null ? null : bytes(job.peak_memory_mib * 2 ** 20)],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
}

function scores(job) {
  const grid = table("Scores", [{ name: "Task" }, { name: "Metric" }, { name: "Value", class: "number" }, { name: "± standard error", class: "number" }]);
  for (const [task, metrics] of Object.entries(job.metrics ?? {})) {
    for (const [metric, value] of Object.entries(metrics)) {
      if (/_stderr(,|$)/.test(metric)) continue;
      const [name, kind] = metric.split(/,(.*)/);
      const error = metrics[`${name}_stderr${kind ? `,${kind}` : ""}`];
      const cells = [oneLine(task), oneLine(metric)].map((text) => el("td", { role: "cell" }, text));
      const numbers = [value, error].map((each) => el("td", { role: "cell", class: "number" }, oneLine(number(each))));
      grid.body.append(el("tr", { role: "row" }, cells, numbers));
    }
  }
  if (!grid.body.children.length) return null;
  return el("section", { "aria-label": "Scores" }, el("h2", {}, "Scores"), el("div", { class: "table narrow" }, grid.node), el("p", { class: "below" }, el("a", { href: `#/results?job=${job.job_id}` }, "Compare with other jobs")));
}

function events(past) {
  const grid = table("What happened", [{ name: "When" }, { name: "What" }, { name: "More" }]);
  for (const { event, at, ...rest } of past) {
    const more = Object.entries(rest).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`);
    const when = el("td", { role: "cell", class: "nowrap" }, typeof at === "string" ? time(at) : null);
    grid.body.append(el("tr", { role: "row" }, when, el("td", { role: "cell" }, oneLine(event)), el("td", { role: "cell", class: "more-facts" }, oneLine(more.join("  ")))));
  }
  return el("div", { class: "table" }, grid.node);
}

/** A box that folds, filled anew when its text is another one. */
function folding(title, open = false) {
  const inside = el("div", { class: "inside" });
  const node = el("details", { open }, el("summary", {}, title), inside);
  let known = null;
  const show = (key, make) => {
    if (known !== key) fill(inside, make());
    known = key;
  };
  return { node, show };
}

/** The view of the job that `route.id` names. */
export function jobView(route) {
  const id = route.id;
  const head = {
    badge: badge(),
    name: el("h1", { tabindex: "-1", id: `job-${id}` }, `Job ${shortId(id)}`),
    id: el("code", { class: "id" }),
    again: el("a", { class: "button", hidden: true }, "Edit and submit again"),
  };
  const acts = actions({ job_id: id });
  const progress = progressBar();
  const error = el("pre", { class: "error-text" });
  const parts = {
    error: el("section", { "aria-label": "Error", hidden: true }, el("h2", {}, "Error"), error),
    facts: el("dl", { class: "facts wide" }),
    scores: el("div"),
    log: el("div"),
    history: folding("History"),
    request: folding("Request"),
    record: folding("Whole record"),
  };
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const whole = el("div", { hidden: true }, progress, parts.error, parts.facts, parts.scores, parts.log, parts.history.node, parts.request.node, parts.record.node);
  const node = el(
    "div",
    { class: "job" },
    el("header", { class: "job-head" }, el("div", { class: "job-name" }, head.badge, head.name), el("p", {}, head.id, copyButton(() => head.id.textContent, "Copy the job's id"), head.again, acts)),
    trouble,
    whole,
  );
  let log = null;
  let job = null;
  let seen = "";

  function show(past) {
    setText(head.name, oneLine(subject(job)));
    setText(head.id, job.job_id);
    view.title = `${job.status}: ${oneLine(subject(job))}`;
    news.dispatchEvent(new Event("title"));
    showBadge(head.badge, job, underWayFor(job.job_id) === "cancelling");
    showActions(acts, job, mayAct());
    head.again.hidden = !mayAct() || !job.request;
    setAttribute(head.again, "href", `#/new?from=${job.job_id}`);
    showProgress(progress, job.status === "running" ? job.progress : null);
    parts.error.hidden = !job.error;
    setText(error, block(job.error));
    // Facts that tick stay as they are until one is another.
    const { heartbeat_at: _beat, progress: _progress, ...steady } = job;
    const key = JSON.stringify([steady, job.heartbeat_at, live.status?.devices]);
    if (key !== seen) {
      fill(parts.facts, factsOf(job).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
      fill(parts.scores, scores(job));
    }
    seen = key;
    parts.history.show(JSON.stringify(past), () => events(past));
    parts.request.show(JSON.stringify(job.request), () => el("pre", {}, block(JSON.stringify(job.request, null, 2))));
    parts.record.show(key, () => el("pre", {}, block(JSON.stringify(job, null, 2))));
    if (!log) {
      log = jobLog(job, () => refresher.poke());
      fill(parts.log, log.node);
    }
    log.show(job);
    whole.hidden = false;
  }

  const refresher = new Refresher(async (signal) => {
    try {
      const [found, past] = await Promise.all([read(jobPath(job?.job_id ?? id), signal), read(jobPath(job?.job_id ?? id, "/history"), signal)]);
      if (!job && found.job_id !== id) history.replaceState(null, "", `#/job/${found.job_id}`);
      job = found;
      trouble.hidden = true;
      show(past.events);
    } catch (failure) {
      if (!isTrouble(failure)) throw failure;
      if (!failure.status || failure.status === 401) return;
      setText(trouble, failure.status === 404 ? `There is no job ${oneLine(job?.job_id ?? id)} here: its id is another, or it was pruned. The history has those that there are.` : block(failure.message));
      trouble.hidden = false;
    }
  });
  const changed = (event) => event.detail.job_id === job?.job_id && refresher.poke();
  const moved = (event) => {
    const mine = event.detail.find((one) => one.job_id === job?.job_id);
    if (mine && job.status === "running") showProgress(progress, (job.progress = mine.progress));
  };
  const redraw = () => {
    if (!job) return;
    showBadge(head.badge, job, underWayFor(job.job_id) === "cancelling");
    showActions(acts, job, mayAct());
  };
  news.addEventListener("change", changed);
  news.addEventListener("progress", moved);
  doing.addEventListener("changed", redraw);
  const view = {
    title: `Job ${shortId(id)}`,
    node,
    refresh: () => refresher.poke(),
    redraw,
    leave() {
      refresher.stop();
      log?.stop();
      news.removeEventListener("change", changed);
      news.removeEventListener("progress", moved);
      doing.removeEventListener("changed", redraw);
    },
  };
  return view;
}
