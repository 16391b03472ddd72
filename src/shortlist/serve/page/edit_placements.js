// Placements of the tab "Settings": each is a group of inputs; new ones can be added.
import { $, actionButton, element, option } from "./dom.js";
import { choice, labelled, line, textsOf } from "./edit_fields.js";
import { RowList } from "./edit_rows.js";
import { RuleList } from "./edit_rules.js";
import { placementFields, readPlacement, STRENGTHS, words } from "./edit_values.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const EXAMPLE = "price < 20 and not (genres in [\"Horror\"])";
const lists = new WeakMap();  // of each box: its rules and its rows
let usual = { weights: {}, rerank: {} };

// Show placements; `present` holds the settings of requests without one, `changed` is called when one is added, removed or renamed.
export function showPlacements(present, bundle, changed) {
  usual = present;
  $("edits-placements").replaceChildren();
  for (const [name, settings] of Object.entries(present.placements)) $("edits-placements").append(group(name, settings, !(name in bundle), changed));
  choices(false);
}

// Add an empty placement and let its name be written.
export function addPlacement(changed) {
  const box = group("", { n: 10 }, true, changed);
  $("edits-placements").append(box);
  box.querySelector("[data-field=name]").focus();
}

// The placements of the form: name → settings. An error names the placement.
export function placementsOf() {
  const found = {};
  for (const box of boxes()) {
    const name = nameOf(box);
    if (!NAME.test(name)) throw new Error("A placement needs a name of 1 to 64 letters, digits, dashes and underscores, such as checkout.");
    if (name in found) throw new Error(`There are two placements with the name ${name}.`);
    const { rules, rows } = lists.get(box);
    found[name] = readPlacement(textsOf(box), rules.values, rows.values, name);
  }
  return found;
}

// The box of a placement, with its rules and rows; undefined where there is none of this name.
export function placementBox(name) {
  const box = boxes().find((one) => nameOf(one) === name);
  return box && { box, ...lists.get(box) };
}

const boxes = () => [...$("edits-placements").children];

function nameOf(box) {
  return box.dataset.placement || textsOf(box).name.trim();
}

function group(name, settings, own, changed) {
  const box = element("fieldset", "rule placement"), fields = placementFields(settings);
  const rules = new RuleList(changed), rows = new RowList(changed);
  const title = element("legend", "", name || "New placement");
  box.dataset.placement = name;
  box.append(title);
  if (!name) box.append(labelled("Name", line("text", "", "name", "checkout")));
  box.append(numbers([["n", "Items", 10], ...STRENGTHS.map((one) => [one, words(one), usual.rerank[one]])], fields));
  box.append(labelled("Only items that", line("text", fields.filters, "filters", EXAMPLE)));
  const weights = Object.entries(usual.weights).map(([one, value]) => [`weights.${one}`, words(one), value]);
  box.append(element("h4", "", "Weights of the objectives"), numbers(weights, fields));
  box.append(element("h4", "", "Rules"), rules.node, more(fields, rows));
  rules.show(settings.rules ?? []);
  rows.show(settings.rows ?? []);
  lists.set(box, { rules, rows });
  if (own) box.append(actionButton("Remove the placement", "quiet", () => { box.remove(); choices(); changed(); }, () => {}));
  box.addEventListener("input", (event) => {
    if (event.target.closest(".rule") === box) title.textContent = nameOf(box) || "New placement";
  });
  box.addEventListener("change", () => choices());
  return box;
}

// A row of number inputs: [setting, label, what holds where the input is empty].
function numbers(rows, fields) {
  const row = element("div", "row");
  for (const [field, label, value] of rows) row.append(labelled(label, line("number", fields[field], field, value ?? "")));
  return row;
}

// What few placements set: guard-rails, how objectives are combined, experiments, rows of a page.
function more(fields, rows) {
  const box = element("details"), row = element("div", "row wide");
  const rails = Object.keys(usual.weights).map((one) => [`at_least.${one}`, words(one), "none"]);
  const combine = choice(["", "sum", "product"], fields.combine, "combine", (name) => (name ? words(name) : "As elsewhere"));
  box.open = Boolean(fields.combine || fields.experiments) || rails.some(([field]) => fields[field]);
  row.append(labelled("Objectives are combined by", combine), labelled("Experiments", line("text", fields.experiments, "experiments", "all of the project")));
  box.append(element("summary", "", "Guard-rails, experiments, rows of pages"), element("h4", "", "Least mean prediction of a slate"), numbers(rails, fields));
  box.append(row, element("h4", "", "Rows of a page, from top to bottom"), rows.node);
  return box;
}

// For which placement the price is computed; a new placement is chosen when it gets its name here, and not when it comes from the server.
function choices(written = true) {
  const select = $("edits-placement"), known = [...select.options].map((one) => one.value);
  const names = boxes().map(nameOf).filter((name) => NAME.test(name));
  const fresh = written && known.length ? names.find((name) => !known.includes(name)) : undefined, before = select.value;
  select.replaceChildren(option("requests without a placement", ""), ...names.map((name) => option(name)));
  select.value = fresh ?? (names.includes(before) ? before : "");
}
