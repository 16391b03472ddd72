// Placements of the tab "Settings": the usual settings as inputs, the others as JSON; new ones can be added.
import { $, actionButton, element, option } from "./dom.js";
import { placementFields, readPlacement, words } from "./edit_values.js";

const NUMBERS = ["n", "diversity", "freshness", "calibration", "explore"];
const LABELS = { n: "Items" };
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

// Show placements as groups of inputs; `changed` is called when one is added, removed or renamed.
export function showPlacements(placements, bundle, changed) {
  $("edits-placements").replaceChildren();
  for (const [name, settings] of Object.entries(placements)) $("edits-placements").append(group(name, settings, !(name in bundle), changed));
  choices();
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
  for (const box of document.querySelectorAll("#edits-placements .rule")) {
    const name = nameOf(box);
    if (!NAME.test(name)) throw new Error("A placement needs a name of 1 to 64 letters, digits, dashes and underscores, such as checkout.");
    if (name in found) throw new Error(`There are two placements with the name ${name}.`);
    const fields = Object.fromEntries([...box.querySelectorAll("[data-field]")].map((node) => [node.dataset.field, node.value]));
    found[name] = readPlacement(fields, name);
  }
  return found;
}

function nameOf(box) {
  return box.dataset.placement || box.querySelector("[data-field=name]").value.trim();
}

function group(name, settings, own, changed) {
  const box = element("fieldset", "rule"), { others, ...fields } = placementFields(settings);
  box.dataset.placement = name;
  box.append(element("legend", "", name || "New placement"));
  if (!name) box.append(labelled("Name", line("text", "", "name")));
  const row = element("div", "row");
  for (const one of NUMBERS) row.append(labelled(LABELS[one] ?? words(one), line("number", fields[one], one)));
  const more = element("details"), text = element("textarea");
  text.rows = 5;
  text.spellcheck = false;
  text.value = others;
  text.dataset.field = "others";
  more.open = others !== "{}";
  more.append(element("summary", "", "Weights, rules, rows and experiments (JSON)"), labelled("JSON", text));
  box.append(row, labelled("Only items that", line("text", fields.filters, "filters")), more);
  if (own) box.append(actionButton("Remove", "", () => { box.remove(); choices(); changed(); }, () => {}));
  box.addEventListener("change", choices);
  return box;
}

function line(type, value, field) {
  const node = element("input");
  node.type = type;
  node.value = value ?? "";
  if (type === "number") node.step = "any";
  node.dataset.field = field;
  return node;
}

function labelled(text, node) {
  const label = element("label", "", text);
  label.append(node);
  return label;
}

// For which placement the price is computed; a new placement is chosen when it gets its name.
function choices() {
  const select = $("edits-placement"), known = [...select.options].map((one) => one.value);
  const names = [...document.querySelectorAll("#edits-placements .rule")].map(nameOf).filter((name) => NAME.test(name));
  const fresh = known.length ? names.find((name) => !known.includes(name)) : undefined, before = select.value;
  select.replaceChildren(option("requests without a placement", ""), ...names.map((name) => option(name)));
  select.value = fresh ?? (names.includes(before) ? before : "");
}
