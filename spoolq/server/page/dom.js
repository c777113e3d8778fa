// Making and changing elements. What comes from the spool gets in as text only: nothing here takes markup.

const SVG = "http://www.w3.org/2000/svg";
const ROWS = new WeakMap();
const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled)";

function build(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An element: *given* are attributes, and listeners under `onNAME`; null, undefined and false are left out. */
export function el(tag, given = {}, ...children) {
  return build(document.createElement(tag), given, children);
}

/** The same for SVG. */
export function svg(tag, given = {}, ...children) {
  return build(document.createElementNS(SVG, tag), given, children);
}

/** Change a node's text, only if it is another one: a reader's place and a selection stay. */
export function setText(node, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Set an attribute, or take it away for null and false; only if that changes something. */
export function setAttribute(node, name, value) {
  const wanted = value === true ? "" : value;
  if (wanted === null || wanted === undefined || wanted === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(wanted)) node.setAttribute(name, wanted);
}

/** Put *children* in the place of all that *node* holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * Make the children of *parent* those of *items*, one each, and keep the ones that are there already: so focus,
 * selection and scroll survive a refresh. When the focused child goes, the one in its place is focused. *gone* is called
 * with each child that goes.
 */
export function keyed(parent, items, keyOf, make, update, gone = () => {}) {
  const before = ROWS.get(parent) ?? new Map();
  const keys = new Set(items.map(keyOf));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let lost = -1;
  let place = 0;
  for (const [key, row] of before) {
    if (!keys.has(key)) {
      if (focused && row.contains(focused)) lost = place;
      row.remove();
      gone(row);
    }
    place += 1;
  }
  const now = new Map();
  let next = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const row = before.get(key) ?? make(item);
    update(row, item);
    now.set(key, row);
    if (row === next) next = next.nextSibling;
    else parent.insertBefore(row, next);
  }
  ROWS.set(parent, now);
  if (lost >= 0) focusRow([...now.values()][Math.min(lost, now.size - 1)] ?? parent.closest("[tabindex]"));
  else if (focused && focused !== document.activeElement && focused.isConnected) focused.focus();
}

function focusRow(row) {
  if (row) (row.querySelector(FOCUSABLE) ?? row).focus();
}

/** A table with its roles said aloud: on a phone its parts are laid out as blocks, which would take them away. */
export function table(label, columns, attributes = {}) {
  const heads = columns.map((column) =>
    el("th", { scope: "col", role: "columnheader", class: column.class }, column.unseen ? el("span", { class: "unseen" }, column.name) : column.name),
  );
  const body = el("tbody", { role: "rowgroup" });
  const whole = el(
    "table",
    { role: "table", "aria-label": label, ...attributes },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    body,
  );
  return { node: whole, body };
}

/** A cell of such a table; *label* stands before it on a phone. */
export function cell(label, given = {}, ...children) {
  return el("td", { role: "cell", "data-label": label, ...given }, ...children);
}
