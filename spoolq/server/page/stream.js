// Server-sent events over fetch: unlike EventSource it sees status codes, notices a silent line, waits longer after each
// failure, and can be told to try now. It goes on after the last event that it had, so nothing is lost or seen twice.

import { NoAnswer, send } from "./api.js";

/** A server that says nothing for so long is gone; it sends a comment every 15 s. */
const SILENCE_MS = 45000;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15000;
/** A stream that stood so long was a good one: the next wait is a short one again. */
const GOOD_MS = 5000;

/** How long to wait before try *n* (from 1): twice as long each time, with jitter, so that not all come back at once. */
export function backoff(n, random = Math.random) {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (n - 1));
  return most / 2 + (random() * most) / 2;
}

/** Events out of text that comes in pieces. */
export class EventParser {
  constructor() {
    this.rest = "";
    this.fresh();
  }

  fresh() {
    this.event = { name: "message", data: [], id: null };
  }

  /** The events that *text* completes: `{name, data, id}`, *id* null when it has none. */
  feed(text) {
    this.rest += text;
    const lines = this.rest.split(/\r\n|\n|\r(?=[^])/); // a CR at the very end may be half of a CRLF
    this.rest = lines.pop();
    const found = [];
    for (const line of lines) {
      if (line === "") {
        if (this.event.data.length) found.push({ ...this.event, data: this.event.data.join("\n") });
        this.fresh();
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") this.event.name = value;
      else if (field === "data") this.event.data.push(value);
      else if (field === "id" && !value.includes("\0")) this.event.id = value;
    }
    return found;
  }
}

/**
 * One stream. *onEvent* gets `(name, data, id)`, data parsed from JSON; *onState* gets `connecting`, `open`, `waiting`
 * (with `{tries, until}`), `refused` (with the error; it stays so until `again`) or `closed`.
 */
export class Stream {
  constructor(url, { onEvent, onState = () => {} }) {
    this.url = url;
    this.onEvent = onEvent;
    this.onState = onState;
    this.lastId = null;
    this.tries = 0;
    this.opened = Infinity;
    this.running = false;
    this.stopping = null;
    this.wake = () => {};
  }

  /** Begin, or go on after `stop`. */
  start() {
    if (this.running) return;
    this.running = true;
    this.stopping = new AbortController();
    this.#run(this.stopping.signal);
  }

  /** End it; what comes later is not heard. */
  stop() {
    this.running = false;
    this.stopping?.abort();
    this.wake();
  }

  /** Do not wait any longer. */
  again() {
    this.wake();
  }

  async #run(signal) {
    while (!signal.aborted) {
      this.onState("connecting");
      try {
        await this.#once(signal);
      } catch (error) {
        if (signal.aborted) break;
        const final = error.status >= 400 && error.status < 500 && error.status !== 429;
        if (final) {
          this.onState("refused", error);
          await this.#pause(Infinity, signal);
          continue;
        }
      }
      if (signal.aborted) break;
      this.tries = Date.now() - this.opened > GOOD_MS ? 1 : this.tries + 1;
      this.opened = Infinity;
      const wait = backoff(this.tries);
      this.onState("waiting", { tries: this.tries, until: Date.now() + wait });
      await this.#pause(wait, signal);
    }
    this.onState("closed");
  }

  #pause(wait, signal) {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = Number.isFinite(wait) ? setTimeout(resolve, wait) : null;
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #once(signal) {
    const line = new AbortController();
    const cut = () => line.abort();
    signal.addEventListener("abort", cut);
    let silence = setTimeout(cut, SILENCE_MS);
    try {
      const headers = { Accept: "text/event-stream", ...(this.lastId === null ? {} : { "Last-Event-ID": this.lastId }) };
      const answer = await send("GET", this.url, { headers, signal: line.signal, timeout: null });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      this.opened = Date.now();
      this.onState("open");
      for (;;) {
        const { value, done } = await reader.read();
        if (done || signal.aborted) return;
        clearTimeout(silence);
        silence = setTimeout(cut, SILENCE_MS);
        for (const event of parser.feed(value)) this.#tell(event, signal);
      }
    } catch (error) {
      throw line.signal.aborted && !signal.aborted ? new NoAnswer("the line is silent") : error;
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", cut);
      line.abort();
    }
  }

  #tell(event, signal) {
    if (signal.aborted) return;
    if (event.id !== null) this.lastId = event.id;
    this.onEvent(event.name, JSON.parse(event.data), event.id);
  }
}
