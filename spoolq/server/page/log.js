// A job's log on the page: its last lines, growing as the job writes.

import { isTrouble, jobPath, send } from "./api.js";
import { el, fill, setAttribute, setText } from "./dom.js";
import { plural } from "./format.js";
import { Stream } from "./stream.js";
import { styleClass, Terminal } from "./terminal.js";

/** New text is shown at most so often. */
const DRAW_MS = 80;
/** From the bottom by no more than this, the log is followed. */
const NEAR_PX = 24;
/** At most so many bytes of an earlier attempt's log are read. */
const EARLIER_BYTES = 1 << 20;

/** The last *most* lines of the log of job *id*, followed until it ends. Take `node`; call `stop` when it goes. */
export class LogPane {
  constructor(id, { most, label, onEnd = () => {}, onState = () => {} }) {
    this.id = id;
    this.terminal = new Terminal(most);
    this.nodes = new Map();
    this.onState = onState;
    this.onEnd = onEnd;
    this.following = true;
    this.drawing = null;
    this.attempt = null;
    /** The job as it was when its log ended; null while it goes on. */
    this.ended = null;
    this.onDraw = () => {};
    this.lines = el("div", { class: "lines" });
    this.note = el("p", { class: "log-note", hidden: true });
    this.node = el(
      "div",
      { class: "log", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0", onscroll: () => this.#scrolled() },
      this.note,
      this.lines,
    );
    this.back = el("button", { type: "button", class: "follow", hidden: true, onclick: () => this.follow() }, "Follow the end");
    const url = jobPath(id, "/log/events", { tail: most });
    this.stream = new Stream(url, { onEvent: (name, data) => this.#heard(name, data), onState: (state) => this.#stateIs(state) });
  }

  /** Begin to follow, or go on with a job that has ended and was put back. */
  start() {
    this.ended = null;
    this.stream.start();
  }

  /** Show nothing more. */
  stop() {
    this.stream.stop();
    clearTimeout(this.drawing);
  }

  /** Show the end, and stay there. */
  follow() {
    this.following = true;
    this.node.scrollTop = this.node.scrollHeight;
    this.back.hidden = true;
  }

  /** Show the log of an earlier attempt as it was, instead. */
  async showAttempt(attempt) {
    this.stream.stop();
    this.terminal.clear();
    this.attempt = attempt;
    try {
      const answer = await send("GET", jobPath(this.id, "/log", { attempt }), { headers: { Range: `bytes=-${EARLIER_BYTES}` } });
      this.terminal.write(await answer.text());
    } catch (error) {
      if (!isTrouble(error)) throw error;
      // An empty log has no last bytes.
      if (error.status !== 416) this.terminal.mark(`cannot show the log of attempt ${attempt}: ${error.message}`);
    }
    this.draw();
  }

  /** All lines that are shown, as `[node, text]`, oldest first. */
  shown() {
    return this.terminal.lines.map((line) => [this.nodes.get(line), line.text]);
  }

  #heard(name, data) {
    if (name === "log") {
      if (this.attempt === null) this.attempt = data.attempt;
      this.terminal.write(data.text);
    } else if (name === "attempt") {
      if (this.attempt !== null && data.attempt !== this.attempt) this.terminal.mark(`attempt ${data.attempt}`);
      this.attempt = data.attempt;
    } else if (name === "end") {
      this.stream.stop();
      this.ended = data;
      this.onState("ended");
      this.onEnd(data);
    }
    this.drawing ??= setTimeout(() => this.draw(), DRAW_MS);
  }

  #stateIs(state) {
    if (state !== "closed") this.onState({ connecting: "connecting", open: "live", waiting: "lost", refused: "refused" }[state]);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.node;
    this.following = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
    this.back.hidden = this.following;
  }

  /** Show what has come. */
  draw() {
    clearTimeout(this.drawing);
    this.drawing = null;
    const { lines, changed, dropped } = this.terminal;
    const kept = new Set(lines);
    for (const [line, node] of this.nodes) {
      if (kept.has(line)) break; // the oldest go first
      node.remove();
      this.nodes.delete(line);
    }
    const fresh = document.createDocumentFragment();
    for (const line of lines.length === this.nodes.size ? changed : lines) {
      const known = this.nodes.get(line);
      if (known && !changed.has(line)) continue;
      const node = known ?? el("div", { class: line.marker ? "line marker" : "line" });
      drawLine(node, line);
      if (!known) {
        this.nodes.set(line, node);
        fresh.append(node);
      }
    }
    this.lines.append(fresh);
    changed.clear();
    setText(this.note, dropped ? `${plural(dropped, "line")} above ${dropped === 1 ? "is" : "are"} not shown here.` : "");
    setAttribute(this.note, "hidden", !dropped);
    if (this.following) this.node.scrollTop = this.node.scrollHeight;
    this.onDraw();
  }
}

/** Put a line's runs into *node*, as text. */
function drawLine(node, line) {
  if (line.marker) {
    setText(node, `— ${line.marker} —`);
    return;
  }
  const spans = line.spans();
  const plain = spans.every((span) => !span.style);
  fill(node, plain ? line.text : spans.map((span) => el("span", { class: styleClass(span.style) }, span.text)));
}
