// The jobs that are chosen to be compared, from whatever pages of the history.

/** Job id -> its subject. */
export const chosen = new Map();

/** `changed` when a job was chosen or let go. */
export const choosing = new EventTarget();

/** Choose a job, or let it go. */
export function choose(id, name, wanted) {
  if (wanted) chosen.set(id, name);
  else chosen.delete(id);
  choosing.dispatchEvent(new Event("changed"));
}

/** Let all go. */
export function chooseNone() {
  chosen.clear();
  choosing.dispatchEvent(new Event("changed"));
}
