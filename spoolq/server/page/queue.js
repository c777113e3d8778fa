// The first view: what runs, what waits and why, what has ended lately.

import { actions, doing, prioritise, showActions } from "./actions.js";
import { isTrouble, path, read } from "./api.js";
import { badge, showBadge } from "./badge.js";
import { serverNow, since, ticking } from "./clock.js";
import { cell, el, fill, keyed, setAttribute, setText, table } from "./dom.js";
import { expectedStarts, medians } from "./estimate.js";
import { duration, fullTime, headline, plural, recipeOf, shortId, shortTime, subject } from "./format.js";
import { live, mayAct, news } from "./live.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";
import { runCard, showLog, showProgress, showRun } from "./run.js";

const PAGE = 50;
const MOST = 500;
/** The API lists by time of submission: of so many the last to end are shown. */
const LATEST = 30;
const ENDED = 8;
/** Run times are learnt from so many completed jobs, anew after so long. */
const LEARN = 100;
const LEARN_MS = 120000;
const PRIORITIES = ["urgent", "high", "normal", "low"];
const COLUMNS = [{ name: "Position", class: "number" }, { name: "Job" }, { name: "Recipe" }, { name: "Priority" }, { name: "Why it waits" }, { name: "Starts" }, { name: "Waits for" }, { name: "Actions", unseen: true }];

let known = { at: 0, medians: new Map() };

async function learn(signal) {
  if (Date.now() - known.at < LEARN_MS) return;
  known.at = Date.now();
  const answer = await read(path("/jobs", { state: "completed", limit: LEARN }), signal);
  known.medians = medians(answer.jobs, live.recipe);
}

/** The last to end of *jobs*, newest first. */
function latest(jobs) {
  const moment = (job) => job.completed_at ?? job.created_at;
  return [...jobs].sort((a, b) => Date.parse(moment(b)) - Date.parse(moment(a))).slice(0, ENDED);
}

function waitingRow(job) {
  const id = job.job_id;
  const link = el("a", { id: `job-${id}`, class: "row-link", href: `#/job/${id}` });
  const priority = el("select", { "aria-label": `Priority of job ${shortId(id)}` }, PRIORITIES.map((level) => el("option", {}, level)));
  let timer = null;
  priority.addEventListener("change", () => {
    clearTimeout(timer); // arrow keys pass through levels that nobody means
    row.parts.choosing = true;
    timer = setTimeout(async () => {
      await prioritise(job, priority.value);
      row.parts.choosing = false;
    }, 600);
  });
  const row = el(
    "tr",
    { role: "row" },
    cell("Position", { class: "number", title: "So many jobs are served before this one" }),
    cell("Job", { class: "wide" }, link, " ", el("code", { class: "id" }, shortId(id))),
    cell("Recipe", { class: "nowrap" }),
    cell("Priority", {}, priority, el("span")),
    cell("Why it waits", { class: "reason" }),
    cell("Starts", { class: "nowrap" }),
    cell("Waits for", { class: "nowrap" }),
    cell("Actions", { class: "acts" }, actions(job)),
  );
  row.parts = { link, priority, choosing: false };
  return row;
}

function showWaiting(row, job, starts) {
  const [position, , recipe, priority, reason, start, waits, acts] = row.children;
  setText(position, job.position_in_queue);
  setText(row.parts.link, oneLine(subject(job)));
  setText(recipe, recipeOf(job, live.recipe));
  const may = mayAct();
  row.parts.priority.hidden = !may;
  setText(priority.lastChild, may ? "" : job.priority);
  if (!row.parts.choosing) row.parts.priority.value = job.priority;
  setText(reason, oneLine(job.reason ?? job.error ?? ""));
  const at = live.paused ? undefined : starts.get(job.job_id);
  setText(start, at === undefined ? "" : at - serverNow() < 5000 ? "soon" : `about ${shortTime(at)}`);
  setAttribute(start, "title", at === undefined ? null : "A guess, from how long jobs of these recipes took lately");
  ticking(waits, () => duration(since(job.created_at)));
  setAttribute(waits, "title", `Submitted ${fullTime(job.created_at)}`);
  showActions(acts.firstChild, job, may);
}

function endedRow(job) {
  const link = el("a", { class: "row-link", href: `#/job/${job.job_id}` });
  return el("li", {}, badge(), el("span", { class: "ended-job" }, link, " ", el("code", { class: "id" }, shortId(job.job_id))), el("span", { class: "dim scores" }), el("time", { class: "dim" }));
}

function showEnded(row, job) {
  const [state, what, scores, time] = row.children;
  showBadge(state, job);
  setText(what.firstChild, oneLine(subject(job)));
  setText(scores, oneLine(headline(job)));
  setText(time, job.completed_at ? shortTime(job.completed_at) : "");
}

/** The view. */
export function queueView() {
  const heading = (text) => el("h2", {}, text, " ", el("span", { class: "count" }));
  const running = { head: heading("Running"), list: el("div", { class: "runs", tabindex: "-1" }), none: el("p", { class: "none" }) };
  const grid = table("Queued jobs", COLUMNS, { class: "cards" });
  const waiting = { head: heading("Queued"), none: el("p", { class: "none" }), more: el("p", { class: "more" }) };
  const ended = { head: heading("Recently ended"), list: el("ul", { class: "ended", tabindex: "-1" }), none: el("p", { class: "none" }) };
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const node = el(
    "div",
    { class: "queue" },
    el("h1", { class: "unseen", tabindex: "-1" }, "Queue"),
    trouble,
    el("section", { "aria-label": "Running" }, running.head, running.list, running.none),
    el("section", { "aria-label": "Queued" }, waiting.head, el("div", { class: "table", tabindex: "-1" }, grid.node), waiting.none, waiting.more),
    el("section", { "aria-label": "Recently ended" }, ended.head, ended.list, ended.none),
  );
  let limit = PAGE;
  let shown = { running: [], queued: [], ended: [], counts: null, learnt: false };
  const log = { id: null, wanted: true };

  const toggle = (id) => {
    log.wanted = log.id !== id;
    log.id = log.wanted ? id : null;
    show();
  };

  function show() {
    const { counts } = shown;
    if (!counts) return;
    if (log.wanted && !shown.running.some((job) => job.job_id === log.id)) log.id = shown.running[0]?.job_id ?? null;
    keyed(running.list, shown.running, (job) => job.job_id, (job) => runCard(job, toggle), (card, job) => {
      showRun(card, job);
      showLog(card, job, log.id === job.job_id);
    }, (card) => card.pane?.stop());
    const slots = Object.values(live.status?.slots ?? {}).filter(Boolean).length;
    const starts = expectedStarts({ running: shown.running, queued: shown.queued, slots, known: known.medians, standard: live.recipe, now: serverNow() });
    keyed(grid.body, shown.queued, (job) => job.job_id, waitingRow, (row, job) => showWaiting(row, job, starts));
    keyed(ended.list, shown.ended, (job) => job.job_id, endedRow, showEnded);
    setText(running.head.lastChild, counts.running);
    setText(waiting.head.lastChild, counts.queued);
    setText(running.none, shown.running.length ? "" : idleWords());
    setText(waiting.none, shown.queued.length ? "" : "Nothing waits.");
    setText(ended.none, shown.ended.length ? "" : "Nothing has ended yet.");
    grid.node.parentElement.hidden = !shown.queued.length;
    showMore(counts.queued);
  }

  function showMore(count) {
    const left = count - shown.queued.length;
    if (left <= 0) fill(waiting.more);
    else if (limit < MOST) {
      fill(waiting.more, el("button", { type: "button", onclick: () => { limit = Math.min(MOST, limit * 2); refresher.restart(); } }, `Show more of ${plural(left, "job")} further back`));
    } else fill(waiting.more, el("a", { href: "#/history?state=queued" }, `${plural(left, "job")} further back: see all in the history`));
  }

  const refresher = new Refresher(async (signal) => {
    try {
      const [standing, over] = await Promise.all([
        read(path("/jobs", { state: ["running", "queued"], limit }), signal),
        read(path("/jobs", { state: ["completed", "failed", "cancelled"], limit: LATEST }), signal),
        learn(signal),
      ]);
      const of = (state) => standing.jobs.filter((job) => job.status === state);
      shown = { running: of("running"), queued: of("queued"), ended: latest(over.jobs), counts: over.counts };
      trouble.hidden = true;
      show();
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.status && error.status !== 401) {
        setText(trouble, block(error.message));
        trouble.hidden = false;
      }
    }
  });

  const progress = (event) => {
    for (const { job_id: id, progress: how } of event.detail) {
      const job = shown.running.find((one) => one.job_id === id);
      if (job && how) showProgress([...running.list.children].find((card) => card.parts.actions.job.job_id === id).parts.progress, (job.progress = how));
    }
  };
  const redraw = () => show();
  news.addEventListener("progress", progress);
  doing.addEventListener("changed", redraw);
  return {
    title: "Queue",
    node,
    refresh: () => refresher.poke(),
    redraw,
    leave() {
      refresher.stop();
      news.removeEventListener("progress", progress);
      doing.removeEventListener("changed", redraw);
      for (const card of running.list.children) card.pane?.stop();
    },
  };
}

function idleWords() {
  if (live.paused) return "Nothing runs: the queue is paused.";
  const slots = Object.entries(live.status?.slots ?? {});
  if (slots.some(([, held]) => held)) return "Nothing runs; a runner waits for work.";
  return "Nothing runs, and there is no runner on the server's host. Start one with `spoolq run`.";
}
