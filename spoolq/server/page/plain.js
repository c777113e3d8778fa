// Characters that change how others are shown: made visible, so that text looks like what it is.

/** Controls, direction marks and overrides, line separators, invisible joiners, halves of a surrogate pair. */
const TRICKY = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff](?![\udc00-\udfff])/u;
const ALL_TRICKY = new RegExp(TRICKY.source, "gu");

/** Whether there is such a character in *text*. */
export function isTricky(text) {
  return TRICKY.test(text);
}

/** One such character as something to see: `␛`, `⟨202e⟩`. */
export function picture(char) {
  const code = char.codePointAt(0);
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : `\u27e8${code.toString(16).padStart(4, "0")}\u27e9`;
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
