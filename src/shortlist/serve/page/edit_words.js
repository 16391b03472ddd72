// What a proposal changes, in lines for people.
import { conditionText, words } from "./edit_values.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const number = (value) => (value === undefined || value === null ? "none" : String(value));

// What a rule does, in words.
export function ruleWords({ when, action, amount, slot }) {
  const condition = conditionText(when), items = `items with ${condition}`, best = condition.startsWith("id = ") ? "item" : "best of the items";
  return { boost: `boosts ${items} by ${amount}`, bury: `buries ${items} by ${amount}`, hide: `hides ${items}`, pin: `pins the ${best} with ${condition} to slot ${slot ?? 0}` }[action];
}

// Lines about the changes of a proposal: `before` and `after` are layers over the settings of `bundle`.
export function changeLines(before, after, bundle) {
  return [...weightLines(before, after, bundle), ...strengthLines(before, after, bundle), ...ruleLines(rulesOf(before, bundle), rulesOf(after, bundle)), ...placementLines(before, after, bundle)];
}

const rulesOf = (layer, bundle) => layer.rerank?.rules ?? bundle.rerank.rules ?? [];

// The settings of one part that differ: [name, before, after].
function differences(part, before, after, bundle) {
  const names = new Set([...Object.keys(before[part] ?? {}), ...Object.keys(after[part] ?? {})]);
  const value = (layer, name) => (name in (layer[part] ?? {}) ? layer[part][name] : bundle[part]?.[name]);
  return [...names].map((name) => [name, value(before, name), value(after, name)]).filter(([, old, fresh]) => !same(old, fresh));
}

function weightLines(...layers) {
  return differences("weights", ...layers).map(([name, old, fresh]) => `Weight of ${words(name)}: ${number(old)} → ${number(fresh)}`);
}

function strengthLines(...layers) {
  return differences("rerank", ...layers).filter(([name]) => name !== "rules").map(([name, old, fresh]) => `${words(name)}: ${number(old)} → ${number(fresh)}`);
}

function ruleLines(before, after) {
  const old = new Map(before.map((rule) => [rule.name, rule])), fresh = new Map(after.map((rule) => [rule.name, rule]));
  const lines = after.filter((rule) => !same(rule, old.get(rule.name))).map((rule) => `Rule ${old.has(rule.name) ? "changed" : "added"}: ${rule.name} ${ruleWords(rule)}`);
  lines.push(...before.filter((rule) => !fresh.has(rule.name)).map((rule) => `Rule removed: ${rule.name}`));
  if (!lines.length && !same(before, after)) lines.push("Rules in another order");
  return lines;
}

function placementLines(...layers) {
  return differences("placements", ...layers).map(([name, old, fresh]) => {
    if (!fresh) return `Placement removed: ${name}`;
    const parts = Object.keys({ ...old, ...fresh }).filter((field) => !same(old?.[field], fresh[field])).map((field) => placementWords(field, fresh[field]));
    return `Placement ${old ? "changed" : "added"}: ${name}${parts.length ? `, with ${parts.join("; ")}` : ""}`;
  });
}

function placementWords(field, value) {
  if (value === undefined || value === null) return `${words(field).toLowerCase()} as elsewhere`;
  if (field === "n") return `${value} items`;
  if (field === "filters") return `only items with ${conditionText(value)}`;
  if (field === "rules") return `the rules: ${value.map((rule) => `${rule.name} ${ruleWords(rule)}`).join(", ")}`;
  if (field === "rows") return `the rows: ${value.map((row) => row.title ?? [row.kind, row.of].filter(Boolean).join(" ")).join(", ")}`;
  if (field === "experiments") return `the experiments ${value.join(", ")}`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(([name, one]) => `${words(name)} ${number(one)}`).join(", ");
    return `${{ weights: "the weights", at_least: "at least" }[field] ?? words(field).toLowerCase()} ${pairs}`;
  }
  return `${words(field).toLowerCase()} ${value}`;
}
