// Results as a matrix: a row for each metric of each task, a column for each job; which is best, and by how much two differ.

import { lessIsBetter } from "./format.js";
import { keep, keptObject } from "./kept.js";

/** How many standard errors a difference must pass not to be chance, 19 times of 20. */
const NORMAL_95 = 1.96;
const KEPT = "spoolq-directions";

/** What rows of `/results` (one per job, task and metric) come to: `{jobs, rows: [{task, metric, values}]}`. */
export function pivot(results) {
  const jobs = new Map();
  const lines = new Map();
  for (const { job_id: id, model, task, metric, value, stderr } of results) {
    if (!jobs.has(id)) jobs.set(id, { job_id: id, model });
    const key = JSON.stringify([task, metric]);
    if (!lines.has(key)) lines.set(key, { task, metric, found: new Map() });
    lines.get(key).found.set(id, { value, stderr });
  }
  const order = [...jobs.keys()];
  const rows = [...lines.values()].map(({ task, metric, found }) => ({ task, metric, values: order.map((id) => found.get(id) ?? null) }));
  return { jobs: [...jobs.values()], rows };
}

/** The places of the best values of a row; none where there is nothing to compare. */
export function best(values, less) {
  const numbers = values.map((each) => (typeof each?.value === "number" ? each.value : null));
  const there = numbers.filter((each) => each !== null);
  if (there.length < 2 || there.every((each) => each === there[0])) return [];
  const top = less ? Math.min(...there) : Math.max(...there);
  return numbers.flatMap((each, place) => (each === top ? [place] : []));
}

/**
 * The second value of a row less the first: `{value, margin, clear}`. *margin* is the half of its 95 % interval, had the
 * two been measured on samples of their own; *clear*: zero lies outside. Null where one is missing.
 */
export function difference([first, second]) {
  if (typeof first?.value !== "number" || typeof second?.value !== "number") return null;
  const value = second.value - first.value;
  const known = typeof first.stderr === "number" && typeof second.stderr === "number";
  const margin = known ? NORMAL_95 * Math.hypot(first.stderr, second.stderr) : null;
  return { value, margin, clear: margin === null ? null : Math.abs(value) > margin };
}

/** Whether less of *metric* is better: as the reader has said, else as its name tells. */
export function isLess(metric) {
  return keptObject(KEPT)[metric] ?? lessIsBetter(metric);
}

/** Turn that round, and remember it in this browser. */
export function turnRound(metric) {
  const known = keptObject(KEPT);
  known[metric] = !isLess(metric);
  keep(KEPT, JSON.stringify(known));
}

/** A, B, … Z, AA: a name for a column that a chart has room for. */
export function letter(place) {
  return place < 26 ? String.fromCharCode(65 + place) : letter(Math.floor(place / 26) - 1) + letter(place % 26);
}
