// Values of the tab "Settings": what of a form differs from the bundle, and how changes are written.

const EMPTY = "String should have at least 1 character";  // of an empty text, as the server says it
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

// A condition as the text of an input, and back: an expression, or JSON.
export function conditionText(condition) {
  return condition === undefined || condition === null ? "" : typeof condition === "string" ? condition : JSON.stringify(condition);
}

function readCondition(text, place) {
  const written = text.trim();
  return written.startsWith("{") ? readJson(written, place) : written;
}

// A rule as the server takes it, from the texts of its inputs. What its action does not use keeps its default.
export function readRule({ name, when, action, amount, slot }) {
  const strength = amount.trim() !== "" && Number.isFinite(Number(amount)) ? Number(amount) : amount.trim();
  const used = ["boost", "bury"].includes(action);
  return { name: name.trim(), when: readCondition(when, `rule ${name}`), action, amount: used ? strength : 0.2, slot: action === "pin" ? Number(slot) : 0 };
}

// A row of a page as the server takes it, from the texts of its inputs; those that are empty, or do not belong to its kind, are left out.
export function readRow({ kind, most, of, title, filters, unit, window }) {
  const found = { kind }, given = (text) => text.trim() !== "";
  if (given(most) && Number(most) !== 1) found.most = Number(most);
  if (given(of) && ["attribute", "continue"].includes(kind)) found.of = of.trim();
  if (given(title) && !["because", "attribute"].includes(kind)) found.title = title.trim();
  if (given(filters)) found.filters = readCondition(filters, `row ${kind}`);
  if (given(unit) && kind === "continue" && Number(unit) !== 1) found.unit = Number(unit);
  if (given(window) && ["new", "continue"].includes(kind) && window.trim() !== "14d") found.window = window.trim();
  return found;
}

export const STRENGTHS = ["diversity", "freshness", "calibration", "explore"];
const NUMBERS = ["n", ...STRENGTHS];
const GROUPS = ["weights", "at_least"];

// The settings of a placement as the texts of its inputs, without its rules and rows: `weights.play` for a weight.
export function placementFields(settings) {
  const found = { combine: settings.combine ?? "", filters: conditionText(settings.filters), experiments: (settings.experiments ?? []).join(", ") };
  for (const name of NUMBERS) found[name] = settings[name] === undefined || settings[name] === null ? "" : String(settings[name]);
  for (const group of GROUPS) {
    for (const [name, value] of Object.entries(settings[group] ?? {})) found[`${group}.${name}`] = String(value);
  }
  return found;
}

// The settings of a placement from the texts of its inputs, its rules and its rows; those that are empty are left out.
export function readPlacement({ filters, combine, experiments, name, ...texts }, rules, rows, place) {
  const found = {};
  for (const [field, text] of Object.entries(texts)) {
    const [group, objective] = field.split(/\.(.*)/s);
    if (text.trim() === "") continue;
    if (objective === undefined) found[group] = Number(text);
    else (found[group] ??= {})[objective] = Number(text);
  }
  const running = experiments.split(",").map((one) => one.trim()).filter(Boolean);
  if (combine) found.combine = combine;
  if (filters.trim()) found.filters = readCondition(filters, `filters of placement ${place}`);
  if (running.length) found.experiments = running;
  if (rules.length) found.rules = rules;
  if (rows.length) found.rows = rows;
  return found;
}

// Which input the error of a setting is about, such as `settings.placements.home.rules.0.when`: {kind, placement, list, at, field}.
export function inputOf(setting) {
  const parts = (setting ?? "").split(".");
  if (parts.shift() !== "settings" || !parts.length) return null;
  const kind = parts.shift(), placement = kind === "placements" ? parts.shift() : null;
  if (kind === "placements" ? placement === undefined : !["weights", "rerank"].includes(kind)) return null;
  if (["rules", "rows"].includes(parts[0])) {
    return parts.length > 1 ? { kind, placement, list: parts[0], at: Number(parts[1]), field: parts[2] ?? "name" } : null;
  }
  return parts.length ? { kind, placement, list: null, at: null, field: parts.join(".") } : null;
}

// The sentence of an error without the name of its setting, and the column of the expression that it names, from 1.
export function faultOf(message) {
  const [, column, rest] = message.match(/(?:^|[ ,])column (\d+): (.*)$/s) ?? [];
  if (column) return { sentence: capital(rest), column: Number(column) };
  const plain = message.replace(/^(?:settings: )?(?:settings\.)?[\w-]+(?:\.[\w-]+)+[:,]? /, "");
  return { sentence: plain === EMPTY ? "This must not be empty" : capital(plain), column: null };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

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
