// The part of a job's page that is about its log: the end of it, live; earlier attempts; finding; all of it.

import { jobPath } from "./api.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { shortId } from "./format.js";
import { LogPane } from "./log.js";
import { LogSearch } from "./logsearch.js";
import { logWords } from "./run.js";

const LINES = 3000;

/** The section for *job*; *onEnd* is called when its log says that it has ended. */
export function jobLog(job, onEnd) {
  const state = el("span", { class: "dim", role: "status" });
  const holder = el("div", { class: "log-holder" });
  const tools = el("div", { class: "log-search-holder" });
  const found = el("div");
  const attempts = el("select", { "aria-label": "Attempt", onchange: () => choose(Number(attempts.value)) });
  const raw = (name, given) => el("a", { target: "_blank", rel: "noopener", ...given }, name);
  const links = [raw("Show the whole log", {}), raw("Download", { download: `${job.job_id}.log` })];
  const wrap = el("input", { type: "checkbox", checked: true, id: "log-wrap", onchange: () => setAttribute(holder, "data-wrap", String(wrap.checked)) });
  const node = el(
    "section",
    { "aria-label": "Log", class: "job-log" },
    el("h2", {}, "Log"),
    el("div", { class: "log-tools" }, tools, attempts, el("label", { for: "log-wrap", class: "check" }, wrap, "Wrap"), links, state),
    holder,
    found,
  );
  let pane = null;
  let latest = job.attempt;

  function open(attempt) {
    pane?.stop();
    pane = new LogPane(job.job_id, { most: LINES, label: `Log of job ${shortId(job.job_id)}`, onEnd, onState: (word) => setText(state, logWords(word)) });
    const search = new LogSearch(pane);
    fill(tools, search.node);
    fill(found, search.found);
    fill(holder, pane.node, pane.back);
    const earlier = attempt && attempt !== latest ? { attempt } : {};
    setAttribute(links[0], "href", jobPath(job.job_id, "/log", earlier));
    setAttribute(links[1], "href", jobPath(job.job_id, "/log", earlier));
    if (earlier.attempt) {
      setText(state, `As attempt ${attempt} left it`);
      pane.showAttempt(attempt);
    } else pane.start();
  }

  const choose = (attempt) => open(attempt);

  /** Offer the attempts that there were. */
  function show(now) {
    const count = Math.max(now.attempt, 1);
    if (attempts.children.length !== count) {
      fill(attempts, Array.from({ length: count }, (_, place) => el("option", { value: count - place }, place ? `attempt ${count - place}` : `attempt ${count} (newest)`)));
    }
    attempts.hidden = count < 2;
    latest = now.attempt;
    // It was put back: its log goes on with the next attempt, which may be over already.
    if (pane?.ended && (["queued", "running"].includes(now.status) || now.attempt !== pane.ended.attempt)) pane.start();
  }

  show(job);
  open(null);
  return { node, show, stop: () => pane?.stop() };
}
