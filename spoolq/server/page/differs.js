// What two jobs were asked for, as far as it is not the same.

import { el, table } from "./dom.js";
import { letter } from "./pivot.js";
import { oneLine } from "./plain.js";

/** A request as flat keys: `model_args.pretrained` → its value as text. */
export function flat(value, prefix = "", found = new Map()) {
  for (const [key, inner] of Object.entries(value ?? {})) {
    const name = prefix ? `${prefix}.${key}` : key;
    if (inner && typeof inner === "object" && !Array.isArray(inner)) flat(inner, name, found);
    else if (inner !== null && inner !== undefined) found.set(name, Array.isArray(inner) ? inner.join(", ") : String(inner));
  }
  return found;
}

/** The keys that are not the same for all of *jobs*: `[[key, [value of each, or ""]]]`. */
export function differences(jobs) {
  const each = jobs.map((job) => flat({ recipe: job.recipe, ...job.request }));
  const keys = [...new Set(each.flatMap((one) => [...one.keys()]))];
  const rows = keys.map((key) => [key, each.map((one) => one.get(key) ?? "")]);
  return rows.filter(([, values]) => values.some((value) => value !== values[0]));
}

/** A section that says so; null when nothing differs. */
export function differsSection(jobs) {
  const rows = differences(jobs);
  if (!rows.length) return null;
  const grid = table("What differs in the requests", [{ name: "Field" }, ...jobs.map((_, place) => ({ name: letter(place) }))]);
  for (const [key, values] of rows) {
    grid.body.append(el("tr", { role: "row" }, el("th", { scope: "row", role: "rowheader" }, oneLine(key)), values.map((value) => el("td", { role: "cell" }, oneLine(value)))));
  }
  return el("section", { "aria-label": "What differs in the requests" }, el("h2", {}, "What differs in the requests"), el("div", { class: "table scroll narrow", role: "region", tabindex: "0", "aria-label": "Requests" }, grid.node));
}
