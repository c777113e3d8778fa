// From the fields of a form to the document that is submitted, and back.

import { ABSENT, field, Unfit } from "./fields.js";

const POLICY = [
  { name: "priority", type: "choice", choices: ["urgent", "high", "normal", "low"], default: "normal" },
  { name: "timeout", type: "str", label: "time limit", help: "Of one attempt: 90, 15m, 2h30m, 7d. Empty is the spool's" },
  { name: "max_attempts", type: "int", label: "attempts", min: 1, max: 100, help: "At most so many starts. Empty is the spool's" },
];
const DURATION = /^\s*(\d+(\.\d+)?|(\d+(\.\d+)?\s*[dhms]\s*)+)\s*$/;

/** The fields of a recipe's parameters; none for one that does not tell them. */
export function fieldsOf(recipe, changed) {
  return (recipe.parameters ?? []).map((parameter) => ({ ...field(parameter, changed), standard: parameter.default ?? null }));
}

/** The fields of the policy that every job has. */
export function policyFields(changed) {
  return POLICY.map((parameter) => ({ ...field(parameter, changed, "policy"), standard: parameter.default ?? null }));
}

function readAll(fields, faults) {
  const found = {};
  for (const each of fields) {
    try {
      const value = each.read();
      if (value !== ABSENT && value !== (each.standard ?? (typeof value === "boolean" ? false : null))) found[each.name] = value;
      if (each.name === "timeout" && each.id.startsWith("policy") && value !== ABSENT && !DURATION.test(value)) throw new Unfit("is no duration: write 90, 15m, 2h30m or 7d");
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      faults.push([each.name, error.message]);
    }
  }
  return found;
}

/** The document in the fields, `{document, faults}`; *faults* are of fields whose values do not fit, left out of it. */
export function compose(recipe, fields, policy) {
  const faults = [];
  const request = readAll(fields, faults);
  return { document: { recipe: recipe?.name, request, ...readAll(policy, faults) }, faults };
}

/** A document as `{recipe, request, policy}`, bare or in its envelope; *standard* is the recipe for model and tasks. */
export function taken(given, standard) {
  const wrapped = Boolean(given.request) && typeof given.request === "object";
  const { recipe, request, ...policy } = wrapped ? given : { request: given };
  return { recipe: recipe ?? ("command" in request ? "command" : standard), request, policy };
}

/** Whether fields for *recipe* (undefined: there is none of that name) can hold all that a document says. */
export function fits({ request, policy }, recipe) {
  const known = (recipe?.parameters ?? []).map((parameter) => parameter.name);
  const says = (object) => Object.keys(object).filter((key) => object[key] !== null && object[key] !== undefined);
  const policies = POLICY.map((parameter) => parameter.name);
  return Boolean(recipe?.parameters) && says(request).every((key) => known.includes(key)) && says(policy).every((key) => policies.includes(key));
}

/** The document of which a job was made, as far as its record tells. */
export function documentOf(job) {
  const { recipe, request, priority, timeout, grace, max_attempts: most, retry_on, resource_type, status } = job;
  // A record has the spool's number filled in where nobody asked for one; a waiting job has what was asked for.
  const asked = status === "queued" || status === "running" ? most : null;
  const policy = { priority: priority === "normal" ? null : priority, timeout, grace, max_attempts: asked, retry_on, resource_type };
  const said = Object.entries({ recipe: resource_type ? null : recipe, request, ...policy });
  return Object.fromEntries(said.filter(([, value]) => value !== null && value !== undefined));
}
