// Characters that change how others are shown: made visible, so that text looks like what it is.

/** Controls, direction marks and overrides, line separators, invisible joiners, halves of a surrogate pair. */
const TRICKY = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff](?![\udc00-\udfff])/u;
const ALL_TRICKY = new RegExp(TRICKY.source, "gu");

/** Whether there is such a character in *text*. */
export function isTricky(text) {
  return TRICKY.test(text);
}

/** One such character as something that every font can show: its number, `⟨1b⟩`, `⟨202e⟩`. */
export function picture(char) {
  return `\u27e8${char.codePointAt(0).toString(16).padStart(2, "0")}\u27e9`;
}

/** *text* on one line, with every such character made visible; newlines and tabs become spaces. */
export function oneLine(text) {
  const line = String(text ?? "").replace(/[\t\r\n]+/g, " ");
  return isTricky(line) ? line.replace(ALL_TRICKY, picture) : line;
}

/** The same for text of several lines, which stay. */
export function block(text) {
  return String(text ?? "")
    .split("\n")
    .map((line) => (isTricky(line) ? line.replace(/\t/g, "    ").replace(ALL_TRICKY, picture) : line))
    .join("\n");
}
