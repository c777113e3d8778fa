// What became of the job that was submitted last: its state, until it has ended.

import { actions, doing, showActions, underWayFor } from "./actions.js";
import { announce } from "./announce.js";
import { isTrouble, jobPath, read } from "./api.js";
import { badge, showBadge } from "./badge.js";
import { el, setText } from "./dom.js";
import { headline, shortId, subject } from "./format.js";
import { mayAct } from "./live.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";
import { progressBar, showProgress } from "./run.js";

/** A panel that is hidden until `show(job)`; call `refresh` when something has changed, `stop` when it goes. */
export function outcomePanel() {
  const state = badge();
  const link = el("a", { class: "row-link" });
  const place = el("span", { class: "dim" });
  const progress = progressBar();
  const error = el("pre", { class: "error-text", hidden: true });
  const holder = el("div");
  const node = el("section", { class: "outcome", "aria-label": "The job submitted last", hidden: true }, el("header", {}, state, link, place, holder), progress, error);
  let job = null;
  let buttons = null;

  function draw() {
    if (!job) return;
    showBadge(state, job, underWayFor(job.job_id) === "cancelling");
    setText(link, `${oneLine(subject(job))} (${shortId(job.job_id)})`);
    link.setAttribute("href", `#/job/${job.job_id}`);
    setText(place, job.status === "queued" ? `position ${job.position_in_queue ?? "?"}. ${oneLine(job.reason ?? "")}` : oneLine(headline(job)));
    showActions(buttons, job, mayAct());
    showProgress(progress, job.status === "running" ? job.progress : null);
    error.hidden = !job.error;
    setText(error, block(job.error));
    node.hidden = false;
  }

  const refresher = new Refresher(async (signal) => {
    if (!job) return;
    try {
      job = await read(jobPath(job.job_id), signal);
      draw();
    } catch (failure) {
      if (!isTrouble(failure)) throw failure;
    }
  });
  doing.addEventListener("changed", draw);
  return {
    node,
    refresh: () => refresher.poke(),
    show(submitted) {
      job = submitted;
      buttons = actions(job);
      holder.replaceChildren(buttons);
      announce(`Job ${shortId(job.job_id)} is queued`);
      draw();
      refresher.poke();
    },
    stop() {
      refresher.stop();
      doing.removeEventListener("changed", draw);
    },
  };
}
