// What is wrong with a form: beside each field, and together at its beginning, where a reader is led.

import { el, fill, setAttribute, setText } from "./dom.js";
import { oneLine } from "./plain.js";

/** The field that a fault of the server is about: `model_args.pretrained` is about `model_args`. */
function targetOf(name, fields) {
  const first = name.replace(/^request\./, "").split(".")[0];
  const target = fields.find((each) => each.name === name) ?? fields.find((each) => each.name === first);
  return [target, target && (name === target.name || name === `request.${target.name}`) ? "" : `${name}: `];
}

/** Faults of *fields()*, or of the text field *raw* while *isRaw()*. Take `summary`. */
export class FaultList {
  constructor({ fields, raw, rawFault, isRaw }) {
    Object.assign(this, { fields, raw, rawFault, isRaw });
    this.summary = el("div", { class: "summary", role: "alert", tabindex: "-1", hidden: true });
  }

  /** Show none. */
  clear() {
    for (const each of this.fields()) each.fail(null);
    this.#ofRaw(null);
    this.summary.hidden = true;
    fill(this.summary);
  }

  /** The text of the whole document is no JSON, or no job. */
  #ofRaw(words) {
    setText(this.rawFault, words ?? "");
    this.rawFault.hidden = !words;
    setAttribute(this.raw, "aria-invalid", words ? "true" : null);
  }

  /** Show *faults*, `[[field, words]]`; *whole* says it where no field is the culprit. *quiet*: beside the fields only. */
  show(faults, { quiet = false, whole = "" } = {}) {
    if (this.isRaw()) {
      this.#ofRaw(oneLine(faults.map(([name, words]) => (name ? `${name}: ${words}` : words)).join("; ") || whole));
      this.raw.focus();
      return;
    }
    const placed = [];
    const rest = [];
    for (const [name, words] of faults) {
      const [target, before] = targetOf(name, this.fields());
      if (target) {
        target.fail(oneLine(before + words));
        placed.push(target);
      } else rest.push(`${name}: ${words}`);
    }
    if (quiet) return;
    const links = placed.map((target) => el("li", {}, el("a", { href: `#${target.id}`, onclick: (event) => { event.preventDefault(); target.focus(); } }, target.label)));
    const lines = [...rest, ...(faults.length ? [] : [whole])].map((text) => el("p", {}, oneLine(text)));
    fill(this.summary, links.length ? [el("p", {}, "Please look at these fields:"), el("ul", {}, links)] : null, lines);
    this.summary.hidden = false;
    (placed[0] ?? this.summary).focus();
  }
}
