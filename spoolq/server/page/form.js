// Submitting a job: a recipe's typed fields or plain JSON, checked here and by the server, queued once.

import { busy, button, isBusy } from "./actions.js";
import { announce } from "./announce.js";
import { ask, isTrouble, jobPath, NoAnswer, path, read } from "./api.js";
import { el, fill, setText } from "./dom.js";
import { compose, documentOf, fieldsOf, fits, policyFields, taken } from "./draft.js";
import { FaultList } from "./faultlist.js";
import { keep, keptObject } from "./kept.js";
import { live, mayAct } from "./live.js";
import { outcomePanel } from "./outcome.js";
import { oneLine } from "./plain.js";
import { faultsOf, Filling, submitOnce } from "./submitting.js";

/** What is written and not yet submitted, with its key: a reload in between must not make a second job of it. */
const KEPT = "spoolq-form";
const CHECK_MS = 600;

/** The view. `route.query.from` names a job whose request it begins with. */
export function formView(route) {
  let recipes = [];
  let standard = "";
  let recipe = null;
  let fields = [];
  let filling = new Filling();
  let checking = null;
  let timer = null;
  let starting = false;
  const policy = policyFields(() => changed());
  const choice = el("select", { id: "field-recipe", name: "recipe", onchange: () => { take(choice.value, compose(recipe, fields, policy).document.request); changed(); } });
  const raw = el("textarea", { id: "raw", rows: 16, class: "code", spellcheck: "false", "aria-describedby": "raw-fault raw-help", oninput: () => changed() });
  const rawFault = el("p", { id: "raw-fault", class: "fault", hidden: true });
  const rawHelp = el("p", { id: "raw-help", class: "dim help" }, "A bare request, or an envelope with `request` and its policy: what a file dropped into queued/ holds.");
  const asFields = el("div", {});
  const asText = el("div", { class: "field-row raw", hidden: true }, el("label", { for: "raw" }, "Job as JSON"), el("div", {}, raw, rawFault, rawHelp));
  const [byFields, byText] = ["fields", "json"].map((mode) => el("input", { type: "radio", name: "mode", value: mode, onchange: () => switchMode() }));
  byFields.checked = true;
  const verdict = el("p", { class: "dim verdict", role: "status" });
  const submit = el("button", { type: "submit", class: "primary", "data-state": "idle" }, "Submit");
  const panel = outcomePanel();
  const isRaw = () => byText.checked;
  const faults = new FaultList({ fields: () => [...fields, ...policy], raw, rawFault, isRaw });
  const form = el(
    "form",
    { class: "new", novalidate: true, "aria-label": "New job", onsubmit: (event) => { event.preventDefault(); send(); } },
    el("fieldset", { class: "modes" }, el("legend", { class: "unseen" }, "How to write it"), el("label", { class: "chip" }, byFields, "Fields"), el("label", { class: "chip" }, byText, "JSON")),
    faults.summary,
    asFields,
    asText,
    el("div", { class: "buttons" }, submit, button("Check", () => validate(false)), button("Clear", () => clear(), { class: "quiet" }), verdict),
  );
  const none = el("p", { class: "problem", hidden: true }, "You may only look: your token cannot submit.");
  const node = el("div", { class: "form" }, el("h1", { tabindex: "-1" }, "New job"), none, form, panel.node);

  /** Show the fields of the recipe *name*, filled with *values*. */
  function take(name, values = {}) {
    recipe = recipes.find((each) => each.name === name) ?? recipes.find((each) => each.default) ?? recipes[0];
    choice.value = recipe.name;
    fields = fieldsOf(recipe, () => changed());
    for (const each of fields) if (each.name in values) each.write(values[each.name]);
    const row = el("div", { class: "field-row" }, el("label", { for: "field-recipe" }, "Recipe"), el("div", {}, choice));
    const silent = recipe.parameters ? null : el("p", { class: "dim" }, "This recipe does not tell what it takes. Write the job as JSON.");
    fill(asFields, row, silent, fields.map((each) => each.node), el("fieldset", { class: "policy" }, el("legend", {}, "Policy"), policy.map((each) => each.node)));
  }

  /** Fill the fields with a document, or the JSON where the fields cannot hold it. */
  function load(given) {
    const found = taken(given, standard);
    const named = recipes.find((each) => each.name === found.recipe);
    byText.checked = !fits(found, named);
    byFields.checked = !byText.checked;
    raw.value = byText.checked ? JSON.stringify(given, null, 2) : "";
    take(found.recipe, byText.checked ? {} : found.request);
    for (const each of policy) each.write(byText.checked ? null : found.policy[each.name]);
  }

  /** The document in the JSON field; null after having said why it is none. */
  function parsed() {
    try {
      const given = JSON.parse(raw.value);
      if (given && typeof given === "object" && !Array.isArray(given)) return given;
      faults.show([["", "it must be one JSON object"]]);
    } catch (error) {
      faults.show([["", `this is no JSON: ${error.message}`]]);
    }
    return null;
  }

  /** What is to be sent; null after having shown what is wrong with it. */
  function written() {
    faults.clear();
    if (isRaw()) return parsed();
    const made = compose(recipe, fields, policy);
    if (made.faults.length) faults.show(made.faults);
    return made.faults.length ? null : made.document;
  }

  function switchMode() {
    faults.clear();
    if (isRaw()) raw.value = JSON.stringify(compose(recipe, fields, policy).document, null, 2);
    else if (raw.value.trim()) {
      byText.checked = true; // until it has been read
      const given = parsed();
      if (!given) return;
      load(given);
      if (isRaw()) faults.show([["", "the fields cannot hold all of this: its recipe has none for it"]]);
    }
    showMode();
    changed();
  }

  function showMode() {
    asFields.hidden = isRaw();
    asText.hidden = !isRaw();
  }

  /** Ask the server whether it would take the job; *quiet*: nobody has asked for it. */
  async function validate(quiet) {
    const made = quiet ? compose(recipe, fields, policy) : null;
    if (made?.faults.length) return;
    const body = made?.document ?? written();
    if (!body) return;
    checking?.abort();
    const { signal } = (checking = new AbortController());
    try {
      const answer = await ask("POST", path("/validate"), { body, signal });
      setText(verdict, `The server would take this: recipe ${answer.recipe}.`);
    } catch (error) {
      if (signal.aborted) return;
      if (!isTrouble(error)) throw error;
      setText(verdict, error.status === 422 ? "The server would not take this." : `Not checked: ${oneLine(error.message)}.`);
      if (error.status === 422) faults.show(faultsOf(error.message, error.field), { quiet, whole: error.message });
    }
  }

  function changed() {
    if (submit.dataset.state === "submitted") renew();
    setText(verdict, "");
    keepDraft();
    clearTimeout(timer);
    checking?.abort();
    if (!isRaw()) timer = setTimeout(() => validate(true), CHECK_MS);
  }

  function keepDraft() {
    const draft = isRaw() ? { raw: raw.value } : { document: compose(recipe, fields, policy).document };
    keep(KEPT, JSON.stringify({ ...draft, key: filling.key, sent: filling.sent }), { tab: true });
  }

  /** The next press is for another job. */
  function renew() {
    filling = new Filling();
    showSubmit("idle");
  }

  function clear() {
    faults.clear();
    raw.value = "";
    take(recipe.name);
    for (const each of policy) each.write(null);
    setText(verdict, "");
    renew();
    keep(KEPT, null, { tab: true });
  }

  function showSubmit(state) {
    submit.dataset.state = state;
    busy(submit, state !== "idle", "Submit", state === "starting" ? "Submitting…" : "Submitted");
  }

  async function send() {
    if (isBusy(submit)) return;
    clearTimeout(timer);
    checking?.abort();
    const body = written();
    if (!body) return;
    const key = filling.keyFor(JSON.stringify(body));
    if (filling.unsure) announce("An earlier try with other values had no answer. It may have been queued too");
    keepDraft();
    showSubmit("starting");
    setText(verdict, "");
    try {
      panel.show(await submitOnce(body, key, (tries) => setText(verdict, `No answer. Asking again (try ${tries}): it cannot be queued twice.`)));
      showSubmit("submitted");
      setText(verdict, "Change a field to submit another one.");
      keep(KEPT, null, { tab: true });
    } catch (error) {
      showSubmit("idle");
      if (!isTrouble(error)) throw error;
      refused(error);
    }
  }

  function refused(error) {
    if (error instanceof NoAnswer || error.status === 503) {
      setText(verdict, "There is no answer. Press Submit again later: the same job cannot be queued twice.");
      return;
    }
    if (error.status === 409) filling.spent();
    else filling.refused();
    keepDraft();
    faults.show(faultsOf(error.message, error.field), { whole: error.message });
  }

  async function start() {
    if (starting) return;
    starting = true;
    const from = route.query.from?.[0];
    const draft = from ? {} : keptObject(KEPT, { tab: true });
    try {
      const [answer, job] = await Promise.all([read(path("/recipes")), from ? read(jobPath(from)) : null]);
      recipes = answer.recipes;
      standard = recipes.find((each) => each.default)?.name ?? "";
      fill(choice, recipes.map((each) => el("option", { value: each.name }, each.default ? `${each.name} (default)` : each.name)));
      if (job) load(documentOf(job));
      else if (draft.document) load(draft.document);
      else take(null);
      filling = new Filling(draft);
      if (draft.raw !== undefined) {
        raw.value = draft.raw;
        byText.checked = true;
      }
      showMode();
      if (JSON.stringify(job?.request ?? {}).includes('"***"')) setText(verdict, "Secrets in env are masked as ***. Write them anew before you submit.");
    } catch (error) {
      if (!isTrouble(error)) throw error;
      if (error.status && error.status !== 401) faults.show([], { whole: `cannot show the form: ${error.message}` });
    } finally {
      starting = false;
    }
  }

  const redraw = () => {
    form.hidden = live.status !== null && !mayAct();
    none.hidden = !form.hidden;
  };
  redraw();
  return {
    title: "New job",
    node,
    start,
    refresh: () => (recipes.length ? panel.refresh() : start()),
    redraw,
    leave() {
      clearTimeout(timer);
      checking?.abort();
      panel.stop();
    },
  };
}
