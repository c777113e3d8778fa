// The filters of the history: a form whose fields are the query of the address.

import { el, fill } from "./dom.js";

const STATES = ["completed", "failed", "cancelled", "running", "queued"];
export const ENDED = STATES.slice(0, 3);
const TYPING_MS = 350;

/** The day (of the reader's calendar) `2026-11-20`, or the one after it, as the moment it begins; null for none. */
function dayBegins(day, next = 0) {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? "");
  if (!parts) return null;
  return new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + next).toISOString();
}

/** What the API is asked for a query of the address. */
export function asked(query) {
  const one = (key) => query[key]?.[0] ?? null;
  return {
    state: query.state ?? ENDED,
    q: one("q"),
    recipe: one("recipe"),
    model: one("model"),
    task: one("task"),
    since: dayBegins(one("from")),
    until: dayBegins(one("to"), 1),
    cursor: one("cursor"),
  };
}

function labelled(name, field) {
  return el("label", { class: "field" }, el("span", {}, name), field);
}

/** The form. *changed* is called with the new query. `show(query, recipes)` has it show one, `offer(recipes)` only offers. */
export function filterForm(changed) {
  let timer = null;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, TYPING_MS);
  };
  const tell = () => {
    clearTimeout(timer);
    changed(query());
  };
  const text = (name, given = {}) => el("input", { type: "text", name, autocomplete: "off", spellcheck: "false", oninput: soon, ...given });
  const fields = {
    q: text("q", { type: "search", class: "find", placeholder: "id, model, task or recipe" }),
    recipe: el("select", { name: "recipe", onchange: tell }),
    model: text("model", { placeholder: "whole name" }),
    task: text("task", { placeholder: "whole name" }),
    from: text("from", { type: "date" }),
    to: text("to", { type: "date" }),
  };
  const states = STATES.map((state) => el("input", { type: "checkbox", name: "state", value: state, onchange: tell }));
  const clear = el("button", { type: "button", class: "quiet", onclick: () => changed({}) }, "Clear filters");
  const more = el("details", { class: "more-filters" }, el("summary", {}, "More filters"), el("div", { class: "fields" }, labelled("Recipe", fields.recipe), labelled("Model", fields.model), labelled("Task", fields.task), labelled("Submitted from", fields.from), labelled("to", fields.to), clear));
  const node = el(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter the history", onsubmit: (event) => { event.preventDefault(); tell(); } },
    labelled("Search", fields.q),
    el("fieldset", { class: "states" }, el("legend", { class: "unseen" }, "States"), states.map((box) => el("label", { class: "chip", "data-state": box.value }, box, box.value))),
    more,
  );

  function query() {
    const on = states.filter((box) => box.checked).map((box) => box.value);
    const usual = on.length === ENDED.length && ENDED.every((state) => on.includes(state));
    const found = { state: usual || !on.length ? [] : on };
    for (const [name, field] of Object.entries(fields)) found[name] = field.value.trim() ? [field.value.trim()] : [];
    return found;
  }

  /** Offer these recipes, and the one that is asked for. */
  function offer(recipes, asked = fields.recipe.value) {
    const named = [...new Set([...recipes, asked])].filter(Boolean);
    if (fields.recipe.children.length !== named.length + 1) {
      fill(fields.recipe, el("option", { value: "" }, "any"), named.map((name) => el("option", { value: name }, name)));
    }
    fields.recipe.value = asked;
  }

  /** Show a query. What is being typed stays as it is when it comes to the same. */
  function show(wanted, recipes) {
    const on = wanted.state ?? ENDED;
    for (const box of states) box.checked = on.includes(box.value);
    offer(recipes, wanted.recipe?.[0] ?? "");
    for (const [name, field] of Object.entries(fields)) {
      const value = wanted[name]?.[0] ?? "";
      if (field.value.trim() !== value) field.value = value;
    }
    if (["recipe", "model", "task", "from", "to"].some((name) => wanted[name])) more.open = true;
  }
  return { node, show, offer };
}
