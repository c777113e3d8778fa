// Numbers, times and jobs in words. All pure.

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "m"],
];
/** Metrics of which less is better, by a part of their name. */
const LESS = /(^|[^a-z])(loss|ppl|perplexity|wer|cer|ter|mae|mse|rmse|error|err|brier|bits_per_byte|nll|fid|latency|toxicity)/i;

/** The first characters of a job's id, enough to tell jobs apart on a page. */
export function shortId(id) {
  return String(id).slice(0, 8);
}

/** A duration in its two largest units: `2h 5m`, `41s`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [size, unit] of UNITS) {
    if (rest >= size) {
      parts.push(`${Math.floor(rest / size)}${unit}`);
      rest %= size;
    }
  }
  if (rest || !parts.length) parts.push(`${rest}s`);
  return parts.slice(0, 2).join(" ");
}

/** Seconds between two ISO times; null when either is missing. */
export function between(since, until) {
  return since && until ? (Date.parse(until) - Date.parse(since)) / 1000 : null;
}

/** `12:03:41`, by the reader's clock. */
export function clockTime(moment) {
  return new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

/** `12:03` today, else with the day. */
export function shortTime(moment, now = Date.now()) {
  const time = new Date(moment);
  const clock = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  if (time.toDateString() === new Date(now).toDateString()) return clock;
  const year = time.getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" };
  return `${time.toLocaleDateString([], { day: "numeric", month: "short", ...year })} ${clock}`;
}

/** The whole time, for a tooltip: the reader's zone, then UTC. */
export function fullTime(moment) {
  const time = new Date(moment);
  return `${time.toLocaleString([], { hour12: false })} (${time.toISOString()})`;
}

/** `1.4 MiB`. */
export function bytes(count) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = count;
  let step = 0;
  while (size >= 1024 && step < names.length - 1) {
    size /= 1024;
    step += 1;
  }
  return `${step && size < 10 ? size.toFixed(1) : Math.round(size)} ${names[step]}`;
}

/** A metric's value: four decimals for what is no whole number, fewer for a large one. */
export function number(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(1);
  return size !== 0 && size < 0.0001 ? value.toExponential(2) : value.toFixed(4);
}

/** A difference with its sign, a real minus included. */
export function signed(value) {
  if (value === null || value === undefined) return "";
  const text = number(Math.abs(value));
  return value > 0 ? `+${text}` : value < 0 ? `−${text}` : "0";
}

/** `1 job`, `3 jobs`. */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Whether less of a metric is better, as far as its name tells. */
export function lessIsBetter(metric) {
  return LESS.test(metric);
}

/** What was evaluated, in a few words: the model, or the command. */
export function modelOf(job) {
  const request = job.request ?? {};
  const given = request.model_args;
  if (given && typeof given === "object") {
    const named = given.pretrained ?? given.model ?? given.path;
    if (named !== undefined) return String(named);
  }
  if (request.model) return String(request.model);
  if (Array.isArray(request.command) && request.command.length) {
    const [program, ...rest] = request.command.map(String);
    return [program.split("/").pop() || program, ...rest].join(" ");
  }
  return "";
}

/** A job's subject: model and tasks, or the command, or whatever its request says. */
export function subject(job) {
  const request = job.request ?? {};
  const tasks = Array.isArray(request.tasks) ? request.tasks.join(", ") : request.tasks;
  const model = modelOf(job);
  if (model || tasks) return tasks && !request.command ? `${model}: ${tasks}` : model;
  const words = Object.entries(request).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  return [job.recipe, ...words].filter(Boolean).join(" ") || shortId(job.job_id);
}

/** The recipe that a job is for: a queued one may leave it to be told from its request. */
export function recipeOf(job, standard = "") {
  if (job.recipe) return job.recipe;
  if (job.resource_type) return "worker";
  return job.request && "command" in job.request ? "command" : standard;
}

/** `Running loglikelihood 76% (122/160)`. */
export function progressText(progress) {
  if (!progress) return "";
  const counted = progress.total ? ` (${progress.done}/${progress.total})` : "";
  return `${progress.stage ?? ""} ${progress.percent}%${counted}`.trim();
}

/** The state to show: a claimed job that has not started yet is starting. */
export function shownState(job) {
  return job.status === "running" && !job.started_at ? "starting" : job.status;
}

/** How a job ended, beyond its state: `exit 3`, `signal 9`, `timed out`. */
export function ending(job) {
  if (job.outcome === "exit" && job.exit_code !== null) return `exit ${job.exit_code}`;
  if (job.outcome === "signal" && job.signal !== null) return `signal ${job.signal}`;
  if (!job.outcome || job.outcome === "succeeded" || job.outcome === "cancelled") return "";
  return job.outcome.replaceAll("_", " ");
}

/** The first few scores of a job, as text. */
export function headline(job, most = 2) {
  const found = [];
  for (const [task, metrics] of Object.entries(job.metrics ?? {})) {
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === "number" && !name.includes("_stderr")) found.push(`${task} ${name} ${number(value)}`);
    }
  }
  return found.length > most ? `${found.slice(0, most).join(", ")} +${found.length - most}` : found.join(", ");
}
