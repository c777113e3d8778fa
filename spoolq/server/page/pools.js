// Resources and who holds them, workers and what they do.

import { isTrouble, path, read } from "./api.js";
import { since, ticking } from "./clock.js";
import { cell, el, fill, setText, table } from "./dom.js";
import { duration, plural, shortId } from "./format.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";

/** A link to a job of ours; a worker's own name for its job leads nowhere. */
function jobLink(id) {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id ?? "")) return id ? oneLine(id) : null;
  return el("a", { class: "row-link", href: `#/job/${id}` }, shortId(id));
}

function ago(moment) {
  return moment ? ticking(el("span"), () => `${duration(since(moment))} ago`) : null;
}

/** What a resource is, in a line: host and port where it has them. */
function resourceWords(resource) {
  if (resource?.host !== undefined) return `${resource.host}${resource.port === undefined ? "" : `:${resource.port}`}`;
  return JSON.stringify(resource);
}

function poolSection(pool) {
  const grid = table(`Resources of ${pool.type}`, [{ name: "Nr.", class: "number" }, { name: "Resource" }, { name: "Held by" }, { name: "For job" }, { name: "Heartbeat" }], { class: "cards" });
  for (const { index, resource, lease } of pool.resources) {
    grid.body.append(
      el("tr", { role: "row" }, cell("Nr.", { class: "number" }, String(index)), cell("Resource", {}, oneLine(resourceWords(resource))), cell("Held by", {}, lease ? oneLine(lease.worker) : el("span", { class: "dim" }, "free")), cell("For job", {}, jobLink(lease?.job_id)), cell("Heartbeat", { class: "nowrap" }, ago(lease?.heartbeat_at))),
    );
  }
  const share = Math.round(pool.utilisation * 100);
  return el(
    "section",
    { class: "pool", "aria-label": `Pool ${oneLine(pool.type)}` },
    el("h2", {}, oneLine(pool.type), pool.draining ? el("span", { class: "tag" }, "draining") : null),
    el("div", { class: "meter-line" }, el("meter", { min: 0, max: pool.total || 1, value: pool.used, "aria-label": "Resources in use" }), el("span", {}, `${pool.used} of ${pool.total} in use (${share} %)`), el("span", { class: "dim" }, pool.waiting ? `${plural(pool.waiting, "job")} ${pool.waiting === 1 ? "waits" : "wait"}` : "no job waits")),
    pool.total ? el("div", { class: "table" }, grid.node) : el("p", { class: "problem" }, "It has no resources: its jobs wait for ever. Add some with `spoolq pool add`."),
  );
}

function workersSection({ runners, workers }) {
  const grid = table("Who runs jobs", [{ name: "Who" }, { name: "Kind" }, { name: "Job" }, { name: "Attempt", class: "number" }, { name: "Heartbeat" }], { class: "cards" });
  const line = (who, kind, job, attempt, heartbeat) => grid.body.append(el("tr", { role: "row" }, cell("Who", { class: "wide" }, oneLine(who)), cell("Kind", {}, kind), cell("Job", {}, job ?? el("span", { class: "dim" }, "none")), cell("Attempt", { class: "number" }, attempt ? String(attempt) : ""), cell("Heartbeat", { class: "nowrap" }, heartbeat)));
  for (const { slot, host, busy, job_id: id } of runners) line(`${host}.${slot}`, "runner of a slot", busy ? (jobLink(id) ?? "busy") : null);
  for (const { worker, jobs } of workers) {
    if (!jobs.length) line(worker, "remote worker");
    for (const { job_id: id, attempt, heartbeat_at: beat } of jobs) line(worker, "remote worker", jobLink(id), attempt, ago(beat));
  }
  return el("section", { "aria-label": "Runners and workers" }, el("h2", {}, "Runners and workers"), grid.body.children.length ? el("div", { class: "table" }, grid.node) : el("p", { class: "none" }, "Nobody runs jobs. Start `spoolq run`, or a worker."));
}

/** The view. */
export function poolsView() {
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const holder = el("div");
  const node = el("div", { class: "pools" }, el("h1", { tabindex: "-1" }, "Workers and pools"), trouble, holder);
  let seen = "";
  const refresher = new Refresher(async (signal) => {
    try {
      const [{ pools }, crew] = await Promise.all([read(path("/pools"), signal), read(path("/workers"), signal)]);
      trouble.hidden = true;
      const key = JSON.stringify([pools, crew]);
      if (key !== seen) fill(holder, workersSection(crew), pools.map(poolSection));
      seen = key;
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.status === 401) return;
      setText(trouble, block(error.message));
      trouble.hidden = !error.status;
    }
  });
  return { title: "Workers and pools", node, refresh: () => refresher.poke(), redraw: () => {}, leave: () => refresher.stop() };
}
