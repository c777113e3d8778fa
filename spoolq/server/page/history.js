// Jobs that have ended (or all of them), by pages: never more than a page of them is in the document.

import { isTrouble, path, read } from "./api.js";
import { badge, showBadge } from "./badge.js";
import { choose, chosen, chooseNone, choosing } from "./chosen.js";
import { cell, el, fill, keyed, setAttribute, setText, table } from "./dom.js";
import { asked, filterForm } from "./filters.js";
import { between, duration, fullTime, headline, plural, recipeOf, shortId, shortTime, subject } from "./format.js";
import { live } from "./live.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";
import { hashOf, replaceRoute } from "./routes.js";

const PAGE = 50;
/** One answer is bounded by what the server reads for it; for one page so many answers are asked for. */
const MOST_ANSWERS = 20;
const COLUMNS = [{ name: "Choose", unseen: true }, { name: "State" }, { name: "Job" }, { name: "Recipe" }, { name: "Submitted" }, { name: "Ended" }, { name: "Ran for", class: "number" }, { name: "Scores, or why it failed" }];

/** The cursors of the pages through which one has come to this one. */
let trail = [];

function row(job) {
  const id = job.job_id;
  const box = el("input", { type: "checkbox", class: "choose", "aria-label": `Choose job ${shortId(id)} to compare` });
  const link = el("a", { class: "row-link", href: `#/job/${id}` });
  box.addEventListener("change", () => choose(id, link.textContent, box.checked));
  const node = el(
    "tr",
    { role: "row" },
    cell("", { class: "pick" }, el("label", { class: "hit-area" }, box)),
    cell("", { class: "nowrap" }, badge()),
    cell("Job", { class: "wide" }, link, " ", el("code", { class: "id" }, shortId(id))),
    cell("Recipe", { class: "nowrap" }),
    cell("Submitted", { class: "nowrap" }),
    cell("Ended", { class: "nowrap" }),
    cell("Ran for", { class: "number nowrap" }),
    cell("", { class: "scores" }),
  );
  node.parts = { box, link, badge: node.children[1].firstChild };
  return node;
}

function showRow(node, job) {
  const [, , , recipe, submitted, ended, ran, scores] = node.children;
  node.parts.box.checked = chosen.has(job.job_id);
  showBadge(node.parts.badge, job);
  setText(node.parts.link, oneLine(subject(job)));
  setText(recipe, recipeOf(job, live.recipe));
  for (const [place, moment] of [[submitted, job.created_at], [ended, job.completed_at]]) {
    setText(place, moment ? shortTime(moment) : "");
    setAttribute(place, "title", moment && fullTime(moment));
  }
  setText(ran, duration(between(job.started_at, job.completed_at)));
  setText(scores, oneLine(headline(job) || (job.status === "failed" ? lastLine(job.error) : "")));
}

/** The last line of an error: it ends with what the job printed last. */
function lastLine(text) {
  const line = (text ?? "").trimEnd().split("\n").pop();
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

/** The bar that says what is chosen, and leads on. */
function chosenBar() {
  const node = el("div", { class: "chosen", role: "status" });
  const show = () => {
    node.hidden = !chosen.size;
    const ids = [...chosen.keys()];
    const lead = ids.length === 2 ? "Compare the two" : ids.length === 1 ? "See its results" : `See the results of ${ids.length}`;
    fill(node, el("span", {}, `${plural(ids.length, "job")} chosen`), el("a", { class: "button", href: hashOf("results", { job: ids }) }, lead), el("button", { type: "button", class: "quiet", onclick: chooseNone }, "Let go"));
  };
  show();
  return { node, show };
}

/** The view. */
export function historyView(route) {
  let query = route.query;
  let found = { jobs: [], next: null, more: false };
  const grid = table("Jobs", COLUMNS, { class: "cards" });
  const holder = el("div", { class: "table", tabindex: "-1" }, grid.node);
  const state = el("p", { class: "dim list-state", role: "status" });
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const bar = chosenBar();
  const form = filterForm((wanted) => {
    trail = [];
    replaceRoute(hashOf("history", wanted));
  });
  const pager = el("nav", { class: "pager", "aria-label": "Pages" });
  const node = el("div", { class: "history" }, el("h1", { tabindex: "-1" }, "History"), form.node, bar.node, trouble, state, holder, pager);

  function show() {
    keyed(grid.body, found.jobs, (job) => job.job_id, row, showRow);
    holder.hidden = !found.jobs.length;
    const place = trail.length ? `, page ${trail.length + 1}` : query.cursor ? ", further back" : "";
    const none = found.more ? "No job found so far" : "No job fits";
    setText(state, found.jobs.length ? `${plural(found.jobs.length, "job")}${place}` : `${none}.`);
    const go = (name, hash, before) => el("button", { type: "button", onclick: () => { before(); location.hash = hash; } }, name);
    const at = (cursor) => hashOf("history", { ...query, cursor });
    fill(
      pager,
      query.cursor && trail.length > 1 ? go("Newest", at(null), () => { trail = []; }) : null,
      query.cursor ? go("Newer", at(trail.at(-1) ?? null), () => trail.pop()) : null,
      found.next ? go(found.more ? "Search on" : "Older", at(found.next), () => trail.push(query.cursor?.[0] ?? null)) : null,
    );
  }

  async function load(signal) {
    const wanted = asked(query);
    const jobs = [];
    let { cursor } = wanted;
    for (let answers = 0; answers < MOST_ANSWERS; answers += 1) {
      const answer = await read(path("/jobs", { ...wanted, cursor, limit: PAGE - jobs.length }), signal);
      jobs.push(...answer.jobs);
      cursor = answer.next;
      if (!cursor || jobs.length >= PAGE) return { jobs, next: cursor, more: false };
      setText(state, `Searching… ${plural(jobs.length, "job")} so far`);
    }
    return { jobs, next: cursor, more: true };
  }

  const refresher = new Refresher(async (signal) => {
    try {
      setAttribute(holder, "aria-busy", "true");
      found = await load(signal);
      trouble.hidden = true;
      show();
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.status === 401) return;
      setText(trouble, block(error.message));
      trouble.hidden = !error.status;
    } finally {
      if (!signal.aborted) setAttribute(holder, "aria-busy", null);
    }
  });
  const rechosen = () => {
    bar.show();
    for (const one of grid.body.children) one.parts.box.checked = [...chosen.keys()].some((id) => one.parts.link.hash === `#/job/${id}`);
  };
  choosing.addEventListener("changed", rechosen);
  form.show(query, live.recipes);
  return {
    title: "History",
    node,
    // A page further back stays as it is: who reads it does not want it to move.
    refresh: () => query.cursor || refresher.poke(),
    redraw: () => form.offer(live.recipes),
    update(next) {
      const turned = next.query.cursor?.[0] !== query.cursor?.[0];
      query = next.query;
      if (!query.cursor) trail = [];
      form.show(query, live.recipes);
      setText(state, "Searching…");
      refresher.restart().then(() => turned && holder.scrollIntoView({ block: "nearest" }));
    },
    start: () => refresher.poke(),
    leave() {
      refresher.stop();
      choosing.removeEventListener("changed", rechosen);
    },
  };
}
