// Where on the page one is, in the part of the address behind the #: it survives a reload and can be sent to others.

/** `{name, id, query}` of a hash: `#/job/ID`, `#/history?state=failed`; the queue for what is none. */
export function parseRoute(hash) {
  const [place, search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, id] = place.split("/");
  const query = {};
  for (const [key, value] of new URLSearchParams(search)) (query[key] ??= []).push(value);
  return { name: name || "queue", id: id ? safeDecode(id) : null, query };
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The hash of a view with a query; null, "" and empty lists are left out. */
export function hashOf(name, query = {}) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== "") search.append(key, one);
  }
  const text = search.toString();
  return `#/${name === "queue" ? "" : name}${text ? `?${text}` : ""}`;
}

/** Go there without a step in the browser's history. */
export function replaceRoute(hash) {
  if (location.hash === hash) return;
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
