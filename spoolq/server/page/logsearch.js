// Finding text in a log: in the lines that are shown, and in the whole of it, read piece by piece.

import { isTrouble, jobPath, send } from "./api.js";
import { el, fill, setText } from "./dom.js";
import { plural } from "./format.js";
import { Terminal } from "./terminal.js";

const MOST_FOUND = 200;
const LONGEST_SHOWN = 400;

/** A search field for *pane*. Take `node`; call `look` when the pane has changed. */
export class LogSearch {
  constructor(pane) {
    this.pane = pane;
    this.hits = [];
    this.at = -1;
    this.stopping = null;
    this.field = el("input", { type: "search", class: "log-find", "aria-label": "Find in the log", placeholder: "Find in the log", oninput: () => this.look(true), onkeydown: (event) => this.#key(event) });
    this.count = el("span", { class: "dim", role: "status" });
    this.whole = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#searchWhole() }, "Search the whole log");
    this.found = el("div", { class: "found" });
    this.node = el("div", { class: "log-search" }, this.field, this.#step(-1, "↑", "Previous match"), this.#step(1, "↓", "Next match"), this.count, this.whole);
    pane.onDraw = () => this.field.value && this.look();
  }

  #step(by, sign, name) {
    return el("button", { type: "button", class: "quiet icon", "aria-label": name, title: name, onclick: () => this.#go(by) }, sign);
  }

  #key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#go(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && this.field.value) {
      event.preventDefault();
      this.field.value = "";
      this.look(true);
    }
  }

  /** Mark the lines that hold the text; *anew*: it is another text. */
  look(anew = false) {
    const wanted = this.field.value.toLowerCase();
    for (const node of this.hits) node.classList.remove("hit", "here");
    const current = anew ? null : this.hits[this.at];
    this.hits = wanted ? this.pane.shown().filter(([, text]) => text.toLowerCase().includes(wanted)).map(([node]) => node) : [];
    for (const node of this.hits) node.classList.add("hit");
    this.at = this.hits.indexOf(current);
    current?.isConnected && this.at >= 0 && current.classList.add("here");
    this.#tell(wanted);
    if (anew) {
      this.stopping?.abort();
      fill(this.found);
    }
  }

  #tell(wanted) {
    const place = this.at >= 0 ? `${this.at + 1} of ` : "";
    setText(this.count, wanted ? `${place}${plural(this.hits.length, "line")}` : "");
    this.whole.hidden = !wanted || !this.pane.terminal.dropped;
  }

  #go(by) {
    if (!this.hits.length) return;
    this.hits[this.at]?.classList.remove("here");
    this.at = this.at < 0 ? (by > 0 ? 0 : this.hits.length - 1) : (this.at + by + this.hits.length) % this.hits.length;
    this.hits[this.at].classList.add("here");
    this.hits[this.at].scrollIntoView({ block: "center" });
    this.#tell(this.field.value);
  }

  async #searchWhole() {
    this.stopping?.abort();
    const { signal } = (this.stopping = new AbortController());
    const say = el("p", { class: "dim", role: "status" }, "Searching…");
    const list = el("ol", { class: "found-lines" });
    fill(this.found, say, list);
    try {
      const url = jobPath(this.pane.id, "/log", { attempt: this.pane.attempt });
      const answer = await send("GET", url, { signal, timeout: null });
      const lines = await searchText(answer.body.pipeThrough(new TextDecoderStream()), this.field.value, (line) => {
        list.append(el("li", { value: line.number }, line.text));
      });
      setText(say, `${plural(list.children.length, "line")} of ${lines.toLocaleString("en")} in the whole log${list.children.length >= MOST_FOUND ? ", and no more is looked for" : ""}.`);
    } catch (error) {
      if (signal.aborted) return;
      if (!isTrouble(error)) throw error;
      setText(say, `Cannot search the whole log: ${error.message}.`);
    }
  }
}

/** Call *found* with `{number, text}` of each line in *stream* (of text) that holds *wanted*; returns how many lines there are. */
export async function searchText(stream, wanted, found) {
  const needle = wanted.toLowerCase();
  const terminal = new Terminal(Infinity);
  let read = 0;
  let count = 0;
  const check = (lines) => {
    for (const line of lines) {
      read += 1;
      const text = line.text;
      if (count < MOST_FOUND && text.toLowerCase().includes(needle)) {
        count += 1;
        found({ number: read, text: text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text });
      }
    }
  };
  const reader = stream.getReader();
  while (count < MOST_FOUND) {
    const { value, done } = await reader.read();
    if (done) break;
    terminal.write(value);
    check(terminal.take());
  }
  await reader.cancel();
  check(terminal.take(true));
  return read;
}
