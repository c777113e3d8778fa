// When a queued job may start: a guess from how long jobs of the same recipe took lately. Where one in front of it is of a
// recipe that nobody has seen end, there is no guess; and none for what remote workers run.

import { between, recipeOf } from "./format.js";

/** Progress below this share says too little of the whole. */
const LEAST_PERCENT = 2;

/** Recipe -> the median run time, in seconds, of *jobs* (completed ones). */
export function medians(jobs, standard) {
  const times = new Map();
  for (const job of jobs) {
    const took = between(job.started_at, job.completed_at);
    if (took === null) continue;
    const recipe = recipeOf(job, standard);
    times.set(recipe, [...(times.get(recipe) ?? []), took]);
  }
  return new Map([...times].map(([recipe, all]) => [recipe, all.sort((a, b) => a - b)[Math.floor((all.length - 1) / 2)]]));
}

/** Seconds until a running job ends, by its progress or else by the median; null when neither tells, as for one overdue. */
function remaining(job, median, now) {
  if (!job.started_at) return median ?? null;
  const elapsed = (now - Date.parse(job.started_at)) / 1000;
  const percent = job.progress?.percent ?? 0;
  if (percent >= LEAST_PERCENT) return (elapsed * (100 - percent)) / percent;
  return median > elapsed ? median - elapsed : null;
}

/** Job id -> when it may start (ms), for *queued* in the order of service; *slots* jobs run at a time. */
export function expectedStarts({ running, queued, slots, known, standard, now }) {
  const ours = running.filter((job) => !job.resource_type);
  const lanes = Math.max(slots, ours.length);
  const starts = new Map();
  if (!lanes) return starts;
  const free = ours.map((job) => remaining(job, known.get(recipeOf(job, standard)), now));
  if (free.includes(null)) return starts;
  while (free.length < lanes) free.push(0);
  for (const job of queued.filter((each) => !each.resource_type)) {
    free.sort((a, b) => a - b);
    starts.set(job.job_id, now + free[0] * 1000);
    const takes = known.get(recipeOf(job, standard));
    if (takes === undefined) break;
    free[0] += takes;
  }
  return starts;
}
