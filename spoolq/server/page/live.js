// What the whole page knows: the state of the line to the server, the queue's counts, what this caller may do.

import { beginSession, door, isTrouble, path, read } from "./api.js";
import { hold, learn } from "./clock.js";
import { Refresher } from "./refresher.js";
import { Stream } from "./stream.js";

/** A page that nobody sees lets its stream go after this time: a browser has few connections for all its tabs. */
const HIDDEN_MS = 20000;
/** How often a hidden page asks for the counts in its title; how often any page asks without being told. */
const SLOW_MS = 30000;
/** How often a page without a stream asks, and how old its last answer may be. */
const POLL_MS = 5000;
const STALE_MS = 8000;

/**
 * `status` (status has changed), `change` (a job has, `detail` says which), `look` (something may have), `line` (the
 * connection), `progress`, `title` (the view has another name), `signed-in`.
 */
export const news = new EventTarget();

export const live = {
  status: null,
  counts: null,
  paused: false,
  /** `connecting`, `open`, `lost`, `signed-out`, `resting` (nobody looks). */
  line: "connecting",
  tries: 0,
  lostAt: null,
  backAt: null,
  answeredAt: 0,
  stale: false,
  /** The server's words when it last said no. */
  problem: "",
  /** The names of the recipes, the default one, whether there are pools or remote workers. */
  recipes: [],
  recipe: "",
  crew: false,
};

/** Whether this caller may change something. */
export function mayAct() {
  return live.status !== null && !live.status.read_only;
}

const tell = (name, detail) => news.dispatchEvent(new CustomEvent(name, { detail }));

const statusLook = new Refresher(async (signal) => {
  try {
    const status = await read(path("/status"), signal);
    learn(status.server_time);
    live.status = status;
    live.paused = status.paused;
    live.problem = "";
    live.counts = countsOf(status);
    tell("status");
  } catch (error) {
    if (!isTrouble(error)) throw error;
    live.problem = error.status ? error.message : "";
  }
});

function countsOf(status) {
  const named = (state) => status[`${state}_jobs`] ?? 0;
  return {
    queued: status.queue_size,
    running: status.running_jobs.length,
    completed: named("completed"),
    failed: named("failed"),
    cancelled: named("cancelled"),
  };
}

const stream = new Stream(path("/events"), { onEvent: heard, onState: lineIs });

function heard(name, data) {
  live.answeredAt = Date.now();
  if (name === "change") {
    tell("change", data);
    tell("look");
  } else if (name === "queue") {
    const before = live.paused;
    live.paused = data.paused;
    live.counts = data.counts;
    tell("progress", data.running ?? []);
    tell("status");
    if (before !== data.paused) refreshAll();
  }
}

function lineIs(state, facts) {
  if (state === "open") {
    live.backAt = live.lostAt === null ? live.backAt : Date.now();
    live.lostAt = null;
    live.answeredAt = Date.now();
    setLine("open");
    refreshAll();
  } else if (state === "waiting") {
    live.tries = facts.tries;
    live.retryAt = facts.until;
    live.lostAt ??= Date.now();
    setLine("lost");
  } else if (state === "refused" && facts.status !== 401) {
    live.lostAt ??= Date.now();
    live.problem = facts.message;
    setLine("lost");
  }
}

function setLine(line) {
  live.line = line;
  judge();
  tell("line");
}

/** Whether what is shown may be out of date: no stream, and no answer for a while. */
function judge() {
  const quiet = Date.now() - live.answeredAt > STALE_MS;
  const stale = live.line === "signed-out" || (live.line !== "open" && live.line !== "resting" && live.answeredAt > 0 && quiet);
  if (stale === live.stale) return;
  live.stale = stale;
  hold(stale);
  tell("line");
}

/** Look at everything afresh. */
export function refreshAll() {
  statusLook.poke();
  tell("look");
}

/** Try to reach the server now. */
export function tryNow() {
  stream.again();
  refreshAll();
}

/** The caller has shown a token: begin anew. */
export function signedIn() {
  beginSession();
  stream.stop();
  setLine("connecting");
  stream.start();
  statusLook.restart();
  tell("signed-in");
}

/** Begin. */
export function startLive() {
  let hiddenSince = null;
  let askedAt = Date.now();
  door.addEventListener("answered", () => {
    live.answeredAt = Date.now();
  });
  door.addEventListener("signed-out", () => {
    stream.stop(); // it may still be open: it was let in before
    setLine("signed-out");
  });
  globalThis.addEventListener("online", tryNow);
  document.addEventListener("visibilitychange", () => {
    hiddenSince = document.hidden ? Date.now() : null;
    if (document.hidden) return;
    stream.start();
    tryNow();
  });
  setInterval(() => {
    if (hiddenSince !== null && Date.now() - hiddenSince > HIDDEN_MS && stream.running) {
      stream.stop();
      setLine("resting");
    }
    const every = live.line === "lost" ? POLL_MS : SLOW_MS;
    if (live.line !== "signed-out" && Date.now() - askedAt >= every) {
      askedAt = Date.now();
      if (document.hidden) statusLook.poke();
      else refreshAll();
    }
    judge();
  }, 1000);
  statusLook.poke();
  stream.start();
}
