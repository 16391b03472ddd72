// Values of the tab "Settings": what of a form differs from the bundle, and how changes are written.

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

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
