// Asking the server. Every answer that is no success is an error of one of two kinds.

const API = "/api/v1";
const TIMEOUT_MS = 30000;

/** The server answered, and said no: *status*, its words in *detail*, the culprit in *field*. */
export class Refused extends Error {
  constructor(status, detail, field = null) {
    super(detail);
    this.status = status;
    this.field = field;
  }
}

/** No answer came: whether the server did what it was asked for is not known. */
export class NoAnswer extends Error {}

/** Whether *error* is one of these two, and no fault of the page. */
export function isTrouble(error) {
  return error instanceof Refused || error instanceof NoAnswer;
}

/** `signed-out` when the server wants a token; `answered` after each answer. */
export const door = new EventTarget();

/** Counts sign-ins: a refusal of what was asked before the last one is old news. */
let session = 0;

/** The caller has shown a token. */
export function beginSession() {
  session += 1;
}

/** A path of the API with its query; null and "" are left out, a list gives a key several times. */
export function path(name, query = {}) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") search.append(key, one);
  }
  const text = search.toString();
  return `${API}${name}${text ? `?${text}` : ""}`;
}

/** The path of one job, or of something below it. */
export function jobPath(id, below = "", query = {}) {
  return path(`/jobs/${encodeURIComponent(id)}${below}`, query);
}

/** Ask for *url*; the JSON of the answer. Raises Refused, NoAnswer, and AbortError when *signal* says so. */
export async function ask(method, url, { body, headers = {}, signal } = {}) {
  const answer = await send(method, url, {
    signal,
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  try {
    return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NoAnswer("the answer was cut off");
  }
}

/** Read *url*. */
export function read(url, signal) {
  return ask("GET", url, { signal });
}

/** Send a request; the Response of a success, its body not yet read. */
export async function send(method, url, { signal, timeout = TIMEOUT_MS, ...given } = {}) {
  const asked = session;
  const signals = [signal, timeout ? AbortSignal.timeout(timeout) : null].filter(Boolean);
  let answer;
  try {
    answer = await fetch(url, { method, credentials: "same-origin", cache: "no-store", ...given, signal: AbortSignal.any(signals) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NoAnswer("the server does not answer");
  }
  door.dispatchEvent(new Event("answered"));
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401 && asked === session) door.dispatchEvent(new Event("signed-out"));
  throw new Refused(answer.status, words(said.detail, answer), said.field ?? null);
}

function words(detail, answer) {
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((one) => `${(one.loc ?? []).slice(1).join(".")}: ${one.msg}`).join("; ");
  return `the server answered ${answer.status} ${answer.statusText}`.trim();
}
