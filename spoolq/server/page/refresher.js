// Looking again when something has changed: one look at a time, never more than a share of the time spent on it.

/** At least so long between two looks. */
const GAP_MS = 400;
/** A look may cost this share of the time. */
const SHARE = 0.25;
/** The longest wait between two looks: a computer may have slept in the middle of one. */
const LONGEST_MS = 10000;

/** Runs *look* (async, with an AbortSignal) when poked; what is poked meanwhile is one more look afterwards. */
export class Refresher {
  constructor(look) {
    this.look = look;
    this.stopping = new AbortController();
    this.wanted = false;
    this.busy = false;
    this.free = 0;
  }

  /** Something has changed. */
  poke() {
    this.wanted = true;
    if (!this.busy && !this.stopping.signal.aborted) this.#run();
  }

  /** What the look asks for has changed: drop the one under way and begin anew, at once. */
  restart() {
    this.stopping.abort();
    this.stopping = new AbortController();
    this.wanted = true;
    this.free = 0;
    this.busy = false;
    return this.#run();
  }

  /** Never again. */
  stop() {
    this.stopping.abort();
  }

  async #run() {
    const { signal } = this.stopping;
    this.busy = true;
    while (this.wanted && !signal.aborted) {
      const wait = this.free - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (signal.aborted) return;
      this.wanted = false;
      const began = Date.now();
      try {
        await this.look(signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      this.free = Date.now() + Math.min(LONGEST_MS, Math.max(GAP_MS, (Date.now() - began) / SHARE));
    }
    if (!signal.aborted) this.busy = false;
  }
}
