// Scores side by side: a table, a chart of it, and the difference where there are two.

import { isTrouble, path, read } from "./api.js";
import { barChart } from "./chart.js";
import { differsSection } from "./differs.js";
import { el, fill, setText, table } from "./dom.js";
import { number, plural, shortId, signed } from "./format.js";
import { best, difference, isLess, letter, pivot, turnRound } from "./pivot.js";
import { block, oneLine } from "./plain.js";
import { Refresher } from "./refresher.js";
import { hashOf, replaceRoute } from "./routes.js";

/** So many of the newest jobs are shown to who has chosen none; more rows than these make no chart. */
const NEWEST = 6;
const MOST_GROUPS = 24;
const ROWS = 500;
const SHARES = "Everything from 0 to 1";

function columnHead(job, place, whole, drop) {
  const name = oneLine(job.model || shortId(job.job_id));
  return el(
    "th",
    { scope: "col", role: "columnheader", class: "job-column number" },
    el("span", { class: `letter series-${place % 6}` }, letter(place)),
    el("a", { class: "row-link", href: `#/job/${job.job_id}`, title: name }, name),
    el("code", { class: "id" }, shortId(job.job_id)),
    whole > 1 ? el("button", { type: "button", class: "quiet icon", "aria-label": `Leave out ${letter(place)}, job ${shortId(job.job_id)}`, title: "Leave out", onclick: () => drop(job.job_id) }, "×") : null,
  );
}

function valueCell(each, isBest) {
  if (each === null) return el("td", { role: "cell", class: "number missing" }, "–");
  const error = typeof each.stderr === "number" ? el("span", { class: "dim" }, ` ± ${number(each.stderr)}`) : null;
  return el("td", { role: "cell", class: isBest ? "number best" : "number" }, isBest ? [el("span", { "aria-hidden": "true" }, "★ "), el("span", { class: "unseen" }, "best: ")] : null, oneLine(number(each.value)), error);
}

function differenceCell(row, less) {
  const found = difference(row.values);
  if (!found) return el("td", { role: "cell", class: "number" }, "");
  const better = found.value === 0 ? "same" : found.value < 0 === less ? "better" : "worse";
  const sure = found.clear === null ? "" : found.clear ? "" : ", may be chance";
  const word = better === "same" ? "the same" : `B is ${better}${sure}`;
  return el("td", { role: "cell", class: "number difference", "data-kind": found.clear === false ? "unclear" : better }, signed(found.value), found.margin === null ? null : el("span", { class: "dim" }, ` ± ${number(found.margin)}`), el("span", { class: "verdict" }, word));
}

function rowOf(row, count, again) {
  const less = isLess(row.metric);
  const winners = best(row.values, less);
  const turn = el("button", { type: "button", class: "quiet direction", "aria-label": `${row.metric}: ${less ? "less" : "more"} is better. Press to turn that round`, title: `${less ? "Less" : "More"} is better; press to turn that round`, onclick: () => { turnRound(row.metric); again(); } }, less ? "↓" : "↑");
  return el(
    "tr",
    { role: "row" },
    el("th", { scope: "row", role: "rowheader", class: "metric" }, el("span", { class: "task" }, oneLine(row.task)), " ", el("span", { class: "nowrap" }, el("span", { class: "dim" }, oneLine(row.metric)), turn)),
    row.values.map((each, place) => valueCell(each, winners.includes(place))),
    count === 2 ? differenceCell(row, less) : null,
  );
}

/** The groups of bars for *rows*. */
function groupsOf(rows, jobs) {
  return rows.map((row) => {
    const winners = best(row.values, isLess(row.metric));
    const bars = row.values.flatMap((each, place) =>
      typeof each?.value === "number" ? [{ letter: letter(place), series: place, value: each.value, stderr: each.stderr, best: winners.includes(place), name: oneLine(jobs[place].model || jobs[place].job_id) }] : [],
    );
    return { label: oneLine(`${row.task} ${row.metric}`), bars };
  });
}

function isShare(row) {
  const numbers = row.values.filter((each) => typeof each?.value === "number");
  return numbers.length > 0 && numbers.every((each) => each.value >= 0 && each.value <= 1);
}

/** The view. */
export function resultsView(route) {
  let query = route.query;
  let found = null;
  let charted = SHARES;
  const heading = el("h1", { tabindex: "-1" }, "Results");
  const note = el("p", { class: "dim", role: "status" });
  const trouble = el("p", { class: "problem", role: "alert", hidden: true });
  const holder = el("div", { class: "table scroll", role: "region", "aria-label": "Table of results", tabindex: "0" });
  const choice = el("select", { id: "charted", onchange: () => { charted = choice.value; draw(); } });
  const figure = el("div", { class: "figure-holder" });
  const chart = el("section", { "aria-label": "Chart", hidden: true }, el("div", { class: "chart-head" }, el("h2", {}, "Chart"), el("label", { for: "charted" }, "of "), choice), figure);
  const filters = el("form", { class: "filters inline", role: "search", "aria-label": "Filter the results", onsubmit: (event) => event.preventDefault() });
  const fields = ["model", "task"].map((name) => el("input", { type: "search", name, autocomplete: "off", placeholder: "whole name", onchange: () => refilter() }));
  fill(filters, ["Model", "Task"].map((name, place) => el("label", { class: "field" }, el("span", {}, name), fields[place])), el("a", { class: "button", href: "#/history?state=completed" }, "Choose jobs"));
  const differs = el("div");
  const node = el("div", { class: "results" }, heading, filters, trouble, note, holder, chart, differs);

  function refilter() {
    const [model, task] = fields.map((field) => field.value.trim());
    replaceRoute(hashOf("results", { job: query.job, model, task }));
  }

  const drop = (id) => replaceRoute(hashOf("results", { ...query, job: found.jobs.map((job) => job.job_id).filter((each) => each !== id) }));

  function show() {
    const { jobs, rows } = found;
    const two = jobs.length === 2;
    setText(heading, two ? "Two jobs compared" : "Results");
    const columns = [{ name: "Task and metric" }];
    const grid = table("Results", columns, { class: "matrix" });
    grid.node.tHead.rows[0].append(...jobs.map((job, place) => columnHead(job, place, jobs.length, drop)));
    if (two) grid.node.tHead.rows[0].append(el("th", { scope: "col", role: "columnheader", class: "number" }, "B less A"));
    grid.body.append(...rows.map((row) => rowOf(row, jobs.length, show)));
    const focused = document.activeElement?.classList.contains("direction") ? [...holder.querySelectorAll(".direction")].indexOf(document.activeElement) : -1;
    fill(holder, rows.length ? grid.node : el("p", { class: "none" }, "No job that has completed has scores here."));
    if (focused >= 0) holder.querySelectorAll(".direction")[focused]?.focus();
    setText(note, noteOf(jobs.length, rows.length));
    const names = [...(rows.some(isShare) ? [SHARES] : []), ...rows.map((row) => `${row.task} ${row.metric}`)];
    if (!names.includes(charted)) charted = names[0];
    fill(choice, names.map((name) => el("option", { value: name }, oneLine(name))));
    choice.value = charted;
    chart.hidden = !names.length;
    fill(differs, two && jobs[0].request ? differsSection(jobs) : null);
    draw();
  }

  function noteOf(jobs, rows) {
    if (!rows) return "";
    const cut = found.cut ? `The newest ${jobs} of more jobs; choose others in the history. ` : "";
    const meaning = jobs === 2 ? " ± behind a difference is its 95 % interval, as if the two had been measured on samples of their own." : "";
    return `${cut}★ is the best of a row; ↑ and ↓ say whether more or less is better.${meaning}`;
  }

  function legend() {
    return found.jobs.map((job, place) => `${letter(place)} ${oneLine(job.model || "")} (${shortId(job.job_id)})`).join(", ");
  }

  function draw() {
    if (!found?.rows.length) return;
    const rows = charted === SHARES ? found.rows.filter(isShare) : found.rows.filter((row) => `${row.task} ${row.metric}` === charted);
    const left = rows.length - MOST_GROUPS;
    fill(figure, barChart(oneLine(charted), groupsOf(rows.slice(0, MOST_GROUPS), found.jobs), legend(), Math.max(240, figure.clientWidth || 600)), left > 0 ? el("p", { class: "dim" }, `${plural(left, "more row")}: choose one above.`) : null);
  }

  async function load(signal) {
    const { job = [], model, task } = query;
    if (job.length === 2 && !model && !task) {
      const answer = await read(path("/results/compare", { job }), signal);
      return { jobs: answer.jobs, rows: answer.rows, cut: false };
    }
    const { rows } = await read(path("/results", { job, model, task, limit: ROWS }), signal);
    const whole = pivot(rows);
    if (job.length || whole.jobs.length <= NEWEST) return { ...whole, cut: false };
    const few = new Set(whole.jobs.slice(0, NEWEST).map((each) => each.job_id));
    return { ...pivot(rows.filter((row) => few.has(row.job_id))), cut: true };
  }

  let seen = "";
  const refresher = new Refresher(async (signal) => {
    try {
      const loaded = await load(signal);
      trouble.hidden = true;
      const key = JSON.stringify(loaded);
      found = loaded;
      if (key !== seen) show();
      seen = key;
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.status === 401) return;
      setText(trouble, block(error.message));
      trouble.hidden = !error.status;
    }
  });
  let width = 0;
  const resized = new ResizeObserver(() => {
    if (node.clientWidth !== width) draw();
    width = node.clientWidth;
  });
  resized.observe(node);
  const showFields = () => fields.forEach((field) => { field.value = query[field.name]?.[0] ?? ""; });
  showFields();
  return {
    title: "Results",
    node,
    refresh: () => refresher.poke(),
    redraw: () => {},
    start: () => refresher.poke(),
    update(next) {
      query = next.query;
      showFields();
      refresher.restart();
    },
    leave() {
      refresher.stop();
      resized.disconnect();
    },
  };
}
