// The page: puts the views in their places, and keeps them fresh.

import { settle } from "./actions.js";
import { announceChange } from "./announce.js";
import { isTrouble, path, read } from "./api.js";
import { tick } from "./clock.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { formView } from "./form.js";
import { historyView } from "./history.js";
import { jobView } from "./job.js";
import { showHelp, startKeys } from "./keys.js";
import { live, mayAct, news, startLive } from "./live.js";
import { pauseControl, showLine, showNotices } from "./notices.js";
import { oneLine } from "./plain.js";
import { poolsView } from "./pools.js";
import { queueView } from "./queue.js";
import { resultsView } from "./results.js";
import { parseRoute } from "./routes.js";
import { askForToken, signOut } from "./signin.js";
import { applyTheme, themeButton } from "./theme.js";

const VIEWS = { queue: queueView, history: historyView, job: jobView, results: resultsView, workers: poolsView, new: formView };
const LINKS = [["queue", "#/", "Queue"], ["history", "#/history", "History"], ["results", "#/results", "Results"], ["workers", "#/workers", "Workers"], ["new", "#/new", "New job"]];
const ENDS = ["completed", "failed", "cancelled"];

let current = null;

/** Show the view of the address. */
function go(event) {
  const route = parseRoute(location.hash);
  if (!(route.name in VIEWS) || (route.name === "job" && !route.id)) route.name = "queue";
  if (current?.update && current.name === route.name) {
    current.route = route;
    current.update(route);
    return;
  }
  show(route);
  if (event) {
    const main = document.getElementById("main");
    scrollTo(0, 0);
    (main.querySelector("h1") ?? main).focus({ preventScroll: true });
  }
}

/** Put the view of a route into its place, made anew. */
function show(route) {
  current?.leave();
  current = VIEWS[route.name](route);
  Object.assign(current, { name: route.name, route });
  fill(document.getElementById("main"), current.node);
  showNavigation();
  showTitle();
  if (current.start) current.start();
  else current.refresh();
}

function showNavigation() {
  const parts = LINKS.filter(([name]) => (name !== "new" || mayAct()) && (name !== "workers" || live.crew || current?.name === "workers"));
  const holder = document.getElementById("views");
  if (holder.children.length !== parts.length) fill(holder, parts.map(([name, href, text]) => el("a", { href, "data-view": name }, text)));
  for (const link of holder.children) setAttribute(link, "aria-current", link.dataset.view === current?.name ? "page" : null);
}

function showTools() {
  const holder = document.getElementById("tools");
  const may = mayAct();
  const kind = `${may && !live.paused} ${live.status?.token_required}`;
  if (holder.dataset.kind === kind) return;
  holder.dataset.kind = kind;
  fill(
    holder,
    may && !live.paused ? pauseControl() : null,
    themeButton(),
    el("button", { type: "button", class: "quiet icon", "aria-label": "Keys and help", title: "Keys (?)", onclick: showHelp }, "?"),
    live.status?.token_required ? el("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out") : null,
  );
}

/** The counts, for who has the page in another tab, and what it shows. */
function showTitle() {
  const { counts } = live;
  const standing = counts ? `${live.paused ? "paused, " : ""}${counts.running} running, ${counts.queued} queued` : "";
  document.title = [standing, current?.title, "spoolq"].filter(Boolean).join(" · ");
}

function showStatus() {
  showNavigation();
  showTools();
  showTitle();
  showNotices();
  setText(document.getElementById("spool"), live.status?.spool === "spool" ? "" : oneLine(live.status?.spool));
  current?.redraw?.();
}

/** What there is beside the queue: the recipes by name, pools and remote workers. */
async function learnSurroundings() {
  try {
    const [{ recipes }, { pools }, { runners, workers }] = await Promise.all([read(path("/recipes")), read(path("/pools")), read(path("/workers"))]);
    live.recipes = recipes.map((recipe) => recipe.name);
    live.recipe = recipes.find((recipe) => recipe.default)?.name ?? "";
    live.crew = pools.length + workers.length > 0 || runners.length > 1;
    showStatus();
  } catch (error) {
    if (!isTrouble(error)) throw error;
  }
}

function start() {
  applyTheme();
  startKeys();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  addEventListener("hashchange", go);
  news.addEventListener("status", showStatus);
  news.addEventListener("title", showTitle);
  // Its streams were refused meanwhile.
  news.addEventListener("signed-in", () => show(current.route));
  news.addEventListener("look", () => current?.refresh());
  news.addEventListener("line", () => {
    showLine();
    showNotices();
    if (live.line === "signed-out") askForToken();
    if (live.line === "open") learnSurroundings();
  });
  news.addEventListener("change", ({ detail }) => {
    settle(detail);
    if (ENDS.includes(detail.status) || detail.status === "running") announceChange(detail);
  });
  setInterval(() => {
    tick();
    showLine();
  }, 1000);
  go();
  startLive();
}

start();
