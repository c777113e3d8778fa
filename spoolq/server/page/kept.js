// What this browser keeps for the page: for good, or for one tab. Where it keeps nothing, the page works without.

/** The text under *key*; null when there is none. *tab*: of this tab only. */
export function kept(key, { tab = false } = {}) {
  try {
    return (tab ? sessionStorage : localStorage).getItem(key);
  } catch {
    return null; // storage is switched off
  }
}

/** Keep *text* under *key*; null forgets it. */
export function keep(key, text, { tab = false } = {}) {
  try {
    const area = tab ? sessionStorage : localStorage;
    if (text === null) area.removeItem(key);
    else area.setItem(key, text);
  } catch {
    // storage is switched off, or full: then it is not kept
  }
}

/** The object under *key*; {} when there is none, or nothing that is one. */
export function keptObject(key, where) {
  try {
    const found = JSON.parse(kept(key, where) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}
