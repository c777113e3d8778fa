// Bars, drawn as SVG of the width that there is. Who cannot see them has the same numbers in the table beside.

import { el, svg } from "./dom.js";
import { number } from "./format.js";

const BAR = 18;
const GAP = 4;
const GROUP_GAP = 14;
const HEAD = 20;
const TOP = 6;
const AXIS = 22;
const RIGHT = 76;
const LETTER = 22;
/** How many gaps between ticks there may be. */
const TICKS = 5;

/** Round steps for an axis from *low* to *high*: its ticks. */
export function ticks(low, high) {
  const span = high - low || 1;
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
  return found;
}

/** The range of an axis for all bars and their errors: zero is in it, as a bar begins there. */
export function range(groups) {
  const ends = groups.flatMap((group) => group.bars.flatMap(({ value, stderr }) => [value - (stderr ?? 0), value + (stderr ?? 0)]));
  return [Math.min(0, ...ends), Math.max(0, ...ends) || 1];
}

/** What a chart says to who cannot see it. */
function words(title, groups) {
  const said = groups.map((group) => `${group.label}: ${group.bars.map((bar) => `${bar.letter} ${number(bar.value)}${bar.best ? " (best)" : ""}`).join(", ")}`);
  return `${title}. ${said.join("; ")}`;
}

/**
 * A figure with a group of bars for each of *groups*: `{label, bars: [{letter, series, value, stderr, best, name}]}`,
 * *legend* tells the letters apart, *width* is in pixels. Each bar has its letter before it and its value behind it.
 */
export function barChart(title, groups, legend, width) {
  const [low, high] = range(groups);
  const room = Math.max(80, width - RIGHT - LETTER);
  const x = (value) => LETTER + ((value - low) / (high - low)) * room;
  const tall = groups.map((group) => HEAD + group.bars.length * (BAR + GAP));
  const height = tall.reduce((sum, each) => sum + each + GROUP_GAP, TOP) + AXIS;
  const chart = svg("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words(title, groups) });
  for (const tick of ticks(low, high)) {
    chart.append(
      svg("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: 4, y2: height - AXIS }),
      svg("text", { class: "tick", x: x(tick), y: height - 6, "text-anchor": "middle" }, shortNumber(tick)),
    );
  }
  let top = TOP;
  groups.forEach((group, place) => {
    chart.append(svg("text", { class: "group", x: LETTER, y: top + HEAD - 6 }, group.label));
    group.bars.forEach((bar, nth) => chart.append(...drawBar(bar, top + HEAD + nth * (BAR + GAP), x)));
    top += tall[place] + GROUP_GAP;
  });
  chart.append(svg("line", { class: "axis", x1: x(0), x2: x(0), y1: 4, y2: height - AXIS }));
  return el("figure", { class: "figure" }, chart, el("figcaption", { class: "dim" }, `${title}. ${legend}. The same numbers are in the table.`));
}

function drawBar(bar, top, x) {
  const [from, to] = [x(Math.min(0, bar.value)), x(Math.max(0, bar.value))];
  const middle = top + BAR / 2;
  const parts = [
    svg("text", { class: "letter", x: 4, y: middle + 4 }, bar.letter),
    svg("rect", { class: `bar series-${bar.series % 6}`, x: from, y: top, width: Math.max(1, to - from), height: BAR, rx: 2 }, svg("title", {}, `${bar.name}: ${number(bar.value)}`)),
  ];
  let end = to;
  if (bar.stderr) {
    const [left, right] = [x(bar.value - bar.stderr), x(bar.value + bar.stderr)];
    end = Math.max(end, right);
    parts.push(svg("path", { class: "whisker", d: `M${left} ${middle}H${right}M${left} ${middle - 4}v8M${right} ${middle - 4}v8` }));
  }
  parts.push(svg("text", { class: bar.best ? "value best" : "value", x: end + 6, y: middle + 4 }, `${number(bar.value)}${bar.best ? " ★" : ""}`));
  return parts;
}

function shortNumber(value) {
  return String(Number(value.toPrecision(6)));
}
