// The token: asked for when the server wants one, exchanged for a cookie that no script can read.

import { ask, isTrouble, send } from "./api.js";
import { busy } from "./actions.js";
import { el, fill, setText } from "./dom.js";
import { live, signedIn } from "./live.js";

/** Show the panel, unless it is there. */
export function askForToken() {
  const dialog = document.getElementById("sign-in");
  if (dialog.open) return;
  const field = el("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", required: true, "aria-describedby": "token-fault" });
  const fault = el("p", { id: "token-fault", class: "fault", role: "alert" });
  const enter = el("button", { type: "submit", class: "primary" }, "Sign in");
  const form = el(
    "form",
    { onsubmit: (event) => { event.preventDefault(); submit(); } },
    el("h2", { id: "sign-in-title" }, "Sign in"),
    el("p", {}, "This server wants a token. It is exchanged for a cookie that stays in this browser for a week."),
    // For password keepers, which want a name beside a password.
    el("input", { type: "text", name: "username", value: "spoolq", autocomplete: "username", class: "unseen", tabindex: "-1", "aria-hidden": "true", readonly: true }),
    el("label", { for: "token" }, "Token"),
    field,
    fault,
    el("div", { class: "buttons" }, enter),
  );

  async function submit() {
    if (!field.value) {
      setText(fault, "The token is needed.");
      field.focus();
      return;
    }
    busy(enter, true, "Sign in", "Signing in…");
    try {
      await ask("POST", "/login", { body: { token: field.value } });
      field.value = "";
      signedIn();
      dialog.close();
    } catch (error) {
      if (!isTrouble(error)) throw error;
      setText(fault, `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`);
      field.select();
    } finally {
      busy(enter, false, "Sign in", "Signing in…");
    }
  }

  fill(dialog, form);
  dialog.oncancel = (event) => event.preventDefault();
  // A second Escape closes it all the same.
  dialog.onclose = () => live.line === "signed-out" && askForToken();
  dialog.showModal();
  field.focus();
}

/** Forget the cookie, and begin anew. */
export async function signOut() {
  await send("POST", "/logout").catch((error) => {
    if (!isTrouble(error)) throw error;
  });
  location.reload();
}
