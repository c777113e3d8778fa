// Light or dark: as the system says, unless the reader has said otherwise in this browser.

import { el, setText } from "./dom.js";
import { keep, kept } from "./kept.js";

const KEPT = "spoolq-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "as the system", light: "light", dark: "dark" };

function chosen() {
  const theme = kept(KEPT);
  return theme in NEXT ? theme : "system";
}

/** Show the page as the reader wants it. */
export function applyTheme(theme = chosen()) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The switch. */
export function themeButton() {
  const node = el("button", { type: "button", class: "quiet", onclick: () => turn(NEXT[chosen()]) });
  const show = () => {
    setText(node, `Theme: ${chosen()}`);
    node.setAttribute("aria-label", `Theme: ${WORDS[chosen()]}. Press to change`);
  };
  const turn = (theme) => {
    keep(KEPT, theme === "system" ? null : theme);
    applyTheme(theme);
    show();
  };
  show();
  return node;
}
