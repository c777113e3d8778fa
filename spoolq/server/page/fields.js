// Form fields for the typed parameters of a recipe: each knows how to read its value, and what is wrong with it.

import { el, setAttribute, setText } from "./dom.js";

/** A value that the reader has left out: the recipe's default holds. */
export const ABSENT = Symbol("absent");

/** A fault of a value, in words that follow the field's name. */
export class Unfit extends Error {}

/** What a parameter's type asks for: `bool`, `choice`, `int`, `float`, `list`, `object`, `str`, or `any` of several. */
export function kindOf({ type, choices }) {
  const name = String(type ?? "").toLowerCase();
  if (choices?.length) return "choice";
  if (/^bool/.test(name)) return "bool";
  if (/^(list|array|tuple)/.test(name)) return "list";
  if (/^(dict|object|mapping)/.test(name)) return "object";
  if (/^(int|integer)$/.test(name)) return "int";
  if (/^(float|number)$/.test(name)) return "float";
  return /^(str|string|text)$/.test(name) ? "str" : "any";
}

function number(text, whole, { min = null, max = null }) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || (whole && !Number.isInteger(value))) throw new Unfit(whole ? "must be a whole number" : "must be a number");
  if (min !== null && value < min) throw new Unfit(`must be at least ${min}`);
  if (max !== null && value > max) throw new Unfit(`must be at most ${max}`);
  return value;
}

/** A single value as it is meant: a number, true, false or null, else text. */
function scalar(text) {
  if (/^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?)$/.test(text)) return JSON.parse(text);
  return text;
}

function pairs(text, kept) {
  const found = {};
  for (const line of text.split("\n").filter((each) => each.trim())) {
    const at = line.indexOf("=");
    if (at < 1) throw new Unfit(`needs a \`=\` in each line; \`${line.trim()}\` has none`);
    found[line.slice(0, at).trim()] = kept(line.slice(at + 1).trim());
  }
  return found;
}

/** The value that *text* means for *parameter*; ABSENT for none. Raises Unfit. */
export function parseValue(parameter, text) {
  const kind = kindOf(parameter);
  if (!text.trim()) {
    if (parameter.required) throw new Unfit("is needed");
    return ABSENT;
  }
  if (kind === "int" || kind === "float") return number(text, kind === "int", parameter);
  if (kind === "choice") return parameter.choices.find((choice) => String(choice) === text);
  if (kind === "list") return text.split(parameter.name === "command" ? /\n/ : /[\n,]/).map((each) => (parameter.name === "command" ? each : each.trim())).filter(Boolean);
  if (kind === "object") return text.trim().startsWith("{") ? json(text) : pairs(text, parameter.name === "env" ? String : scalar);
  return kind === "any" ? scalar(text.trim()) : text;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unfit(`is no JSON: ${error.message}`);
  }
}

/** How *value* is written in the field of *parameter*. */
export function writeValue(parameter, value) {
  if (value === null || value === undefined || value === ABSENT) return "";
  if (Array.isArray(value)) return value.map(String).join("\n");
  if (typeof value === "object") {
    const flat = Object.values(value).every((each) => each === null || typeof each !== "object");
    return flat ? Object.entries(value).map(([key, each]) => `${key}=${each}`).join("\n") : JSON.stringify(value, null, 2);
  }
  return String(value);
}

const HOW = {
  list: "One a line, or separated by commas",
  object: "One key=value a line",
};

function known(value) {
  return value !== null && value !== undefined;
}

function hint(parameter) {
  const kind = kindOf(parameter);
  const { min, max } = parameter;
  const span = known(min) && known(max) ? `${min} to ${max}` : known(min) ? `from ${min}` : known(max) ? `up to ${max}` : "";
  const how = parameter.name === "command" ? "The program and its arguments, one a line" : HOW[kind];
  const standard = !["bool", "choice"].includes(kind) && known(parameter.default) && typeof parameter.default !== "object" ? `Default: ${parameter.default}` : "";
  return [parameter.help?.replaceAll("`", ""), how, span, standard].filter(Boolean).join(". ");
}

function control(parameter, id, described, changed) {
  const kind = kindOf(parameter);
  const shared = { id, name: parameter.name, "aria-describedby": described, "aria-required": parameter.required ? "true" : null, oninput: changed, autocomplete: "off", spellcheck: "false" };
  if (kind === "bool") return el("input", { type: "checkbox", ...shared, checked: parameter.default === true });
  if (kind === "choice") {
    const none = parameter.required || known(parameter.default) ? [] : [el("option", { value: "" }, "(none)")];
    return el("select", shared, none, parameter.choices.map((choice) => el("option", { selected: choice === parameter.default }, String(choice))));
  }
  if (kind === "list" || kind === "object") return el("textarea", { rows: parameter.name === "command" ? 4 : 2, ...shared });
  return el("input", { type: "text", inputmode: kind === "int" ? "numeric" : kind === "float" ? "decimal" : null, ...shared });
}

/** The field of *parameter*: `node`, `read()`, `write(value)`, `fail(text)`, `focus()`. *changed* is called at each change. */
export function field(parameter, changed, prefix = "field") {
  const id = `${prefix}-${parameter.name}`;
  const kind = kindOf(parameter);
  const text = hint(parameter);
  const help = el("p", { id: `${id}-help`, class: "dim help", hidden: !text }, text);
  const fault = el("p", { id: `${id}-fault`, class: "fault", hidden: true });
  const input = control(parameter, id, `${id}-fault ${id}-help`, () => {
    fail(null);
    changed();
  });
  const name = el("label", { for: id }, parameter.label ?? parameter.name, parameter.required ? el("span", { class: "dim" }, " (needed)") : null);
  const node = el("div", { class: `field-row kind-${kind}` }, name, el("div", {}, input, fault, help));

  function fail(words) {
    setText(fault, words ?? "");
    fault.hidden = !words;
    setAttribute(input, "aria-invalid", words ? "true" : null);
  }

  return {
    name: parameter.name,
    label: parameter.label ?? parameter.name,
    node,
    id,
    fail,
    focus: () => input.focus(),
    read: () => (kind === "bool" ? input.checked : parseValue(parameter, input.value)),
    write(value) {
      if (kind === "bool") input.checked = value ?? parameter.default === true;
      else if (kind === "choice") input.value = value ?? parameter.default ?? "";
      else input.value = writeValue(parameter, value);
    },
  };
}
