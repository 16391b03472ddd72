// Values of the tab "Settings": what of a form differs from the bundle, and how changes are written.

const same = (one, other) => JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));

// A value with the keys of its objects in one order: a form has its fields in an order of its own.
function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, ordered(value[name])]));
}

// The settings of a form that differ from those of the bundle.
export function layerOf(form, bundle) {
  const found = {};
  for (const part of ["weights", "rerank", "placements"]) {
    const changed = Object.entries(form[part]).filter(([name, value]) => !same(value, bundle[part][name]));
    if (changed.length) found[part] = Object.fromEntries(changed);
  }
  return found;
}

// A value that was written as JSON; an error names its place.
export function readJson(text, place) {
  try { return JSON.parse(text); } catch (error) { throw new Error(`${place}: ${error.message}`); }
}

// A rule as the server takes it, from the texts of its inputs. What its action does not use keeps its default.
export function readRule({ name, when, action, amount, slot }) {
  const condition = when.trim().startsWith("{") ? readJson(when, `rule ${name}`) : when.trim();
  const strength = amount.trim() !== "" && Number.isFinite(Number(amount)) ? Number(amount) : amount.trim();
  const used = ["boost", "bury"].includes(action);
  return { name: name.trim(), when: condition, action, amount: used ? strength : 0.2, slot: action === "pin" ? Number(slot) : 0 };
}

const FIELDS = ["n", "diversity", "freshness", "calibration", "explore"];

// The settings of a placement as texts: those with inputs of their own, and `others` as JSON.
export function placementFields(settings) {
  const { filters, ...rest } = settings, found = {};
  for (const name of FIELDS) {
    found[name] = rest[name] === undefined || rest[name] === null ? "" : String(rest[name]);
    delete rest[name];
  }
  found.filters = filters === undefined || filters === null ? "" : typeof filters === "string" ? filters : JSON.stringify(filters);
  found.others = Object.keys(rest).length ? JSON.stringify(rest, null, 2) : "{}";
  return found;
}

// The settings of a placement from their texts; those that are empty are left out.
export function readPlacement({ filters, others, ...numbers }, place) {
  const found = readJson(others.trim() || "{}", `placement ${place}`);
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw new Error(`placement ${place}: write settings as {"weights": {…}}`);
  const given = {};
  for (const name of FIELDS) if (numbers[name]?.trim()) given[name] = Number(numbers[name]);
  if (filters.trim()) given.filters = filters.trim().startsWith("{") ? readJson(filters, `filters of placement ${place}`) : filters.trim();
  return { ...given, ...found };
}

// A share as a percentage, with its sign unless `signed` is false.
export function percent(share, signed = true) {
  const text = (100 * share).toFixed(1);
  const plain = Number(text) === 0 ? "0.0" : text;
  return `${signed && Number(plain) > 0 ? "+" : ""}${plain} %`;
}

// What a change does, in a sentence.
export function effectOf(preview) {
  const falls = preview.price.value > 0 ? "falls" : "rises";
  const utility = Math.abs(preview.price.value) < 5e-4 ? "is unchanged" : `${falls} by ${percent(Math.abs(preview.price.value), false)}`;
  const where = preview.placement ? ` in ${preview.placement}` : "";
  return `${percent(preview.changed, false)} of the slates${where} would have other items; the predicted utility, by the present weights, ${utility}.`;
}

// The change of each objective, in a line.
export function objectivesOf(preview) {
  return Object.entries(preview.objectives).map(([name, change]) => `${words(name)} ${percent(change.value)}`).join(" · ");
}

// A name of a setting in words.
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
