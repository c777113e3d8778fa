// A log as a terminal would leave it: carriage returns overwrite, escape sequences colour, move and erase, and what else
// a terminal would obey is dropped or made visible. What comes out does not depend on how the text was cut into chunks.

import { isTricky, picture } from "./plain.js";

/** Rows above the last one that the cursor can still reach. */
const REACH = 64;
/** Characters kept of one line. */
const WIDEST = 16384;
const SHOWN = "[^\\x00-\\x1f\\x7f-\\x9f]";
const STRING = "(?:\\x1b[P\\]X^_]|[\\x90\\x98\\x9d-\\x9f])";
const TOKEN = new RegExp(
  `${SHOWN}+` +
    "|(?:\\x1b\\[|\\x9b)([0-?]{0,64})[ -/]{0,8}([@-~])" +
    `|${STRING}${SHOWN}*(?:\\x07|\\x1b\\\\|\\x9c)?` +
    "|\\x1b[ -/]{0,8}[0-~]" +
    "|[^]",
  "gu",
);
/** An escape sequence that the end of a chunk cuts: what a string tells is not kept, only that it goes on. */
const CUT = new RegExp(`(${STRING})${SHOWN}*\\x1b?$|(?:\\x1b(?:\\[[0-?]{0,64})?|\\x9b[0-?]{0,64})[ -/]{0,8}$`, "u");

const COLOURS = ["", "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const BOLD = 16;
const DIM = 32;

/** The class names of a style number. */
export function styleClass(style) {
  const names = [COLOURS[style & 15] && `ansi-${COLOURS[style & 15]}`, style & BOLD && "ansi-bold", style & DIM && "ansi-dim"];
  return names.filter(Boolean).join(" ");
}

class Line {
  constructor(id, marker = "") {
    this.id = id;
    this.marker = marker;
    this.chars = [];
    this.styles = [];
    this.cut = 0;
    this.frozen = null;
  }

  put(col, char, style) {
    while (this.chars.length < col) {
      this.chars.push(" ");
      this.styles.push(0);
    }
    this.chars[col] = char;
    this.styles[col] = style;
  }

  erase(from, to) {
    if (to >= this.chars.length) {
      this.chars.length = Math.min(from, this.chars.length);
      this.styles.length = this.chars.length;
    } else for (let col = from; col < to; col += 1) this.put(col, " ", 0);
  }

  /** The line as runs of one style: `[{text, style}]`. */
  spans() {
    if (this.frozen) return this.frozen;
    const found = [];
    for (let col = 0; col < this.chars.length; col += 1) {
      const last = found[found.length - 1];
      if (last && last.style === this.styles[col]) last.text += this.chars[col];
      else found.push({ text: this.chars[col], style: this.styles[col] });
    }
    if (this.cut) found.push({ text: ` … ${this.cut.toLocaleString("en")} more characters`, style: DIM });
    return found;
  }

  /** The cursor cannot come back: keep the runs alone. */
  freeze() {
    this.frozen = this.spans();
    this.chars = this.styles = [];
  }

  get text() {
    return this.spans()
      .map((span) => span.text)
      .join("");
  }
}

/** The last *most* lines of what is written. `changed` holds the lines to be drawn anew; who draws empties it. */
export class Terminal {
  constructor(most) {
    this.most = most;
    this.made = 0;
    this.clear();
  }

  /** Forget all. */
  clear() {
    this.lines = [];
    this.changed = new Set();
    this.dropped = 0;
    this.row = -1;
    this.col = 0;
    this.style = 0;
    this.held = "";
  }

  /** Take the next piece of the log. */
  write(text) {
    const whole = this.held + text;
    const cut = CUT.exec(whole);
    this.held = cut ? (cut[1] ?? cut[0]) : "";
    if (cut?.[1] && cut[0].endsWith("\x1b")) this.held += "\x1b";
    for (const token of (cut ? whole.slice(0, cut.index) : whole).matchAll(TOKEN)) {
      if (token[2] !== undefined) this.#obey(token[2], token[1]);
      else if (token[0].length > 1 || token[0] >= " ") this.#text(token[0]);
      else this.#control(token[0]);
    }
    this.#trim();
  }

  /** A line of our own, which no text of the log can look like. */
  mark(text) {
    if (this.row >= 0 && !this.lines[this.row].chars.length) this.lines.length = this.row;
    this.#add(new Line(this.made++, text));
    this.row = -1;
    this.col = this.style = 0;
    this.held = "";
  }

  /** Take out the lines that nothing can change any more; with *all*, every line. */
  take(all = false) {
    const ready = all ? this.lines.length : Math.max(0, this.lines.length - REACH);
    this.row = Math.max(-1, this.row - ready);
    this.changed.clear();
    return this.lines.splice(0, ready);
  }

  #current() {
    if (this.row < 0) this.#newLine();
    const line = this.lines[this.row];
    this.changed.add(line);
    return line;
  }

  #add(line) {
    this.lines.push(line);
    this.changed.add(line);
    this.row = this.lines.length - 1;
    const gone = this.lines[this.row - REACH];
    if (gone && !gone.frozen) gone.freeze();
  }

  #newLine() {
    if (this.row >= 0 && this.row < this.lines.length - 1) this.row += 1;
    else this.#add(new Line(this.made++));
    this.col = 0;
  }

  #trim() {
    const surplus = this.lines.length - this.most;
    if (surplus <= 0) return;
    for (const line of this.lines.splice(0, surplus)) this.changed.delete(line);
    this.dropped += surplus;
    if (this.row >= 0) this.row = Math.max(0, this.row - surplus);
  }

  /** Write one character, or what stands for it, where the cursor is. */
  #put(shown, style) {
    const line = this.#current();
    for (const each of shown) {
      if (this.col >= WIDEST) line.cut += 1;
      else line.put(this.col++, each, style);
    }
  }

  #text(text) {
    if (/^(?:\x1b|[\x80-\x9f])/.test(text)) return; // a title, a hyperlink, a sequence that only a terminal needs
    if (!isTricky(text)) this.#put(text, this.style);
    else for (const char of text) this.#put(isTricky(char) ? picture(char) : char, this.style);
  }

  #control(char) {
    if (char === "\n") {
      this.#current();
      this.#newLine();
    } else if (char === "\r") this.col = 0;
    else if (char === "\b") this.col = Math.max(0, this.col - 1);
    else if (char === "\t") this.#text(" ".repeat(8 - (this.col % 8)));
    else if (char !== "\x07" && !/[\x80-\x9f]/.test(char)) this.#put(picture(char), DIM);
  }

  #obey(final, parameters) {
    const counts = parameters.split(/[;:]/).map((part) => Number.parseInt(part, 10) || 0);
    const count = Math.min(Math.max(counts[0], 1), WIDEST);
    const last = this.lines.length - 1;
    if (final === "m") this.#colour(counts);
    else if (final === "A" && this.row >= 0) this.row = Math.max(this.#reach(), this.row - count);
    else if (final === "B" && this.row >= 0) this.row = Math.min(last, this.row + count);
    else if (final === "C") this.col = Math.min(WIDEST, this.col + count);
    else if (final === "D") this.col = Math.max(0, this.col - count);
    else if (final === "G") this.col = count - 1;
    else if (final === "K" && this.row >= 0) this.#eraseLine(counts[0]);
    else if (final === "J" && counts[0] === 0 && this.row >= 0) {
      this.#eraseLine(0);
      for (const line of this.lines.slice(this.row + 1)) {
        line.erase(0, Infinity);
        this.changed.add(line);
      }
    }
  }

  /** The topmost row that is no marker's, and not beyond reach. */
  #reach() {
    let top = this.lines.length - 1;
    while (top > 0 && top > this.lines.length - REACH && !this.lines[top - 1].marker) top -= 1;
    return top;
  }

  #eraseLine(how) {
    const line = this.#current();
    line.cut = 0;
    if (how === 0) line.erase(this.col, Infinity);
    else if (how === 1) line.erase(0, Math.min(this.col + 1, line.chars.length));
    else line.erase(0, Infinity);
  }

  #colour(codes) {
    for (let place = 0; place < codes.length; place += 1) {
      const code = codes[place];
      if (code === 0) this.style = 0;
      else if (code === 1) this.style |= BOLD;
      else if (code === 2) this.style |= DIM;
      else if (code === 22) this.style &= ~(BOLD | DIM);
      else if (code === 39) this.style &= ~15;
      else if (code >= 30 && code <= 37) this.style = (this.style & ~15) | (code - 29);
      else if (code >= 90 && code <= 97) this.style = (this.style & ~15) | (code - 89);
      else if (code === 38 || code === 48) {
        const indexed = codes[place + 1] === 5;
        if (code === 38 && indexed && codes[place + 2] < 16) this.style = (this.style & ~15) | ((codes[place + 2] % 8) + 1);
        place += indexed ? 2 : codes[place + 1] === 2 ? 4 : 0;
      }
    }
  }
}
