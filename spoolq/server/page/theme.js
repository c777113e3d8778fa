// Light or dark: as the system says, unless the reader has said otherwise in this browser.

import { el, setText } from "./dom.js";

const KEPT = "spoolq-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "as the system", light: "light", dark: "dark" };

function kept() {
  const theme = localStorage.getItem(KEPT);
  return theme in NEXT ? theme : "system";
}

/** Show the page as the reader wants it. */
export function applyTheme(theme = kept()) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** The switch. */
export function themeButton() {
  const node = el("button", { type: "button", class: "quiet", onclick: () => turn(NEXT[kept()]) });
  const show = () => {
    setText(node, `Theme: ${kept()}`);
    node.setAttribute("aria-label", `Theme: ${WORDS[kept()]}. Press to change`);
  };
  const turn = (theme) => {
    localStorage.setItem(KEPT, theme);
    applyTheme(theme);
    show();
  };
  show();
  return node;
}
