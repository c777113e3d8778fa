// Sending a job so that it is queued once: each filling of the form has a key of its own, which the server knows again.
// A reply that was lost is asked for again with the same key; what the key has queued comes back.

import { ask, NoAnswer, path } from "./api.js";
import { backoff } from "./stream.js";

const TRIES = 8;

/** A key that nobody else has: not `crypto.randomUUID`, which pages without TLS do not have. */
export function newKey() {
  return `page-${[...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * One filling of the form. `sent` is the text for which no answer came; the same text again has the same key, and
 * another text a new one: it is another job.
 */
export class Filling {
  constructor(draft = {}) {
    this.key = draft.key ?? newKey();
    this.sent = draft.sent ?? null;
  }

  /** The key for *text*; whether an earlier text may have been queued is told by `unsure`. */
  keyFor(text) {
    this.unsure = this.sent !== null && this.sent !== text;
    if (this.unsure) this.key = newKey();
    this.sent = text;
    return this.key;
  }

  /** The server has said no: nothing was queued. */
  refused() {
    this.sent = null;
  }

  /** The key has been used for another request. */
  spent() {
    this.key = newKey();
    this.sent = null;
  }
}

/**
 * Send *body* under *key* until there is an answer, or it has been tried often enough. *again* is called with each try
 * after the first. Raises Refused, or NoAnswer when none came.
 */
export async function submitOnce(body, key, again) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask("POST", path("/jobs"), { body, headers: { "Idempotency-Key": key } });
    } catch (error) {
      const worth = error instanceof NoAnswer || error.status === 503 || error.status === 429;
      if (!worth || tries >= TRIES) throw error;
      again(tries + 1);
      await new Promise((resolve) => setTimeout(resolve, backoff(tries)));
    }
  }
}

/** What a fault of the server says of each field: `field `limit`: …; field `seed`: …` → [[name, words], …]. */
export function faultsOf(detail, culprit) {
  const found = [...detail.matchAll(/field `([^`]+)`: (.*?)(?=; field `|; and \d+ more|$)/gs)].map(([, name, words]) => [name, words]);
  return found.length || !culprit ? found : [[culprit, detail]];
}
