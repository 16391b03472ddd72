// The tab "Settings": weights, strengths and rules; the price of a change; proposals, approvals and history.
import { call } from "./api.js";
import { table } from "./charts.js";
import { $, actionButton, element } from "./dom.js";
import { clearFaults, showFault } from "./edit_fields.js";
import { addPlacement, placementBox, placementsOf, showPlacements } from "./edit_placements.js";
import { RuleList } from "./edit_rules.js";
import { changeLines } from "./edit_words.js";
import { effectOf, inputOf, layerOf, objectivesOf, percent, words } from "./edit_values.js";

const PAUSE = 500;  // ms without a change before the price is computed
const PATH = "/v1/admin/edits";
const HINTS = {
  strength: {
    diversity: "0 to 1: how dissimilar the items of a slate are",
    freshness: "0 to 10: boost of new items",
    calibration: "0 to 1: shares of genres as in the user's history",
    explore: "0 to 5: how often other items than the best are tried",
    exposure_cap: "most items of one provider in a slate; empty: no limit",
  },
};
let answer = null;
let timer = null;
let turn = 0;
const rules = new RuleList(() => price());

export function editsView() {
  $("edits-form").addEventListener("input", (event) => { if (event.target !== $("edits-why")) price(); });
  $("edits-form").addEventListener("submit", (event) => { event.preventDefault(); run(propose); });
  $("edits-rules").append(rules.node);
  $("edits-form").inert = true;  // until it shows what serves
  $("edits-place").addEventListener("click", () => addPlacement(price));
  return () => run(async () => take(await call(PATH)));
}

async function run(action) {
  clearFaults();
  $("edits-error").hidden = true;
  try { await action(); } catch (error) { fail(error); }
}

// Show an error under the input that it is about, or else above the form.
function fail(error) {
  const input = inputAt(inputOf(error.field));
  if (input) return showFault(input, error.message);
  $("edits-error").textContent = error.message;
  $("edits-error").hidden = false;
}

// The input of a setting; null where the form has none.
function inputAt(place) {
  if (!place) return null;
  const found = place.kind === "placements" ? placementBox(place.placement) : { rules };
  if (place.list) return found?.[place.list]?.boxes[place.at]?.querySelector(`[data-field="${CSS.escape(place.field)}"]`) ?? null;
  if (place.kind === "placements") return found ? ownInput(found.box, place.field) : null;
  return $(`edits-${place.kind === "weights" ? "weight" : "strength"}-${place.field}`);
}

// The input of a setting in a box, or the first of its group: of weights.play where the error names weights, of experiments for experiments.0.
function ownInput(box, field) {
  const own = [...box.querySelectorAll("[data-field]")].filter((node) => node.closest(".rule") === box);
  const named = (test) => own.find((node) => test(node.dataset.field));
  return named((name) => name === field) ?? named((name) => name.startsWith(`${field}.`) || field.startsWith(`${name}.`)) ?? null;
}

// Show what the server says, and fill the form with what serves.
function take(fresh) {
  answer = fresh;
  $("edits-form").inert = false;
  turn += 1;  // a price that is on its way is no longer asked for
  clearTimeout(timer);
  $("edits-price").removeAttribute("aria-busy");
  const serving = fresh.serving ? `Proposal ${fresh.serving} serves.` : "The settings of the bundle serve.";
  $("edits-note").textContent = fresh.fault ?? serving;
  numbers($("edits-weights"), fresh.present.weights, "weight", fresh.bundle.weights);
  const { rules: present, ...strengths } = fresh.present.rerank;
  numbers($("edits-strengths"), strengths, "strength", fresh.bundle.rerank);
  showPlacements(fresh.present, fresh.bundle.placements, price);
  rules.show(present);
  $("edits-why").value = "";
  $("edits-price").replaceChildren(element("p", "quiet", "Change something to see what it costs."));
  history(fresh);
}

// One input for each number.
function numbers(place, values, kind, bundle) {
  place.replaceChildren(...Object.entries(values).map(([name, value]) => {
    const line = element("div", "setting"), label = element("label", "", words(name)), input = element("input"), hint = element("small", "quiet", HINTS[kind]?.[name] ?? "");
    input.id = `edits-${kind}-${name}`;
    hint.id = `${input.id}-hint`;
    label.htmlFor = input.id;
    if (hint.textContent) {
      input.dataset.hint = hint.id;
      input.setAttribute("aria-describedby", hint.id);
    }
    input.type = "number";
    input.step = "any";
    input.value = value ?? "";
    Object.assign(input.dataset, { kind, name });
    line.append(label, input, hint, element("span", "quiet", bundle[name] === value ? "" : `in the bundle ${bundle[name] ?? "none"}`), element("output", "quiet"));
    return line;
  }));
}

// The settings of the form, as far as they differ from those of the bundle.
function written() {
  const form = { weights: {}, rerank: {}, placements: placementsOf() };
  for (const node of document.querySelectorAll("#edits-form [data-kind]")) {
    const value = node.value === "" ? null : Number(node.value);
    form[node.dataset.kind === "weight" ? "weights" : "rerank"][node.dataset.name] = value;
  }
  form.rerank.rules = rules.values;
  return layerOf(form, answer.bundle);
}

function price() {
  clearTimeout(timer);
  const mine = ++turn;
  $("edits-price").setAttribute("aria-busy", "true");
  timer = setTimeout(() => run(async () => {
    try {
      const found = await call(`${PATH}/preview`, { settings: written(), placement: $("edits-placement").value || null });
      if (mine === turn) show(found);  // else something was changed meanwhile
    } finally { if (mine === turn) $("edits-price").removeAttribute("aria-busy"); }
  }), PAUSE);
}

function show(found) {
  const changes = element("div"), moved = element("div");
  table(changes, ["objective", "change", "95 %"], Object.entries(found.objectives).map(([name, change]) =>
    [words(name), percent(change.value), `${percent(change.low)} to ${percent(change.high)}`]));
  const lists = [["Shown more often", found.gains], ["Shown less often", found.losses]];
  for (const [title, rows] of lists) {
    if (rows.length) moved.append(element("p", "", `${title}: ${rows.slice(0, 4).map((row) => row.title).join(", ")}`));
  }
  $("edits-price").replaceChildren(element("p", "", effectOf(found)), changes, moved);
  const costs = new Map(found.parts.map((part) => [part.part, part]));
  const sentence = (name) => {
    const part = costs.get(name);
    return part ? `costs ${percent(part.price.value, false)} of the utility, changes ${percent(part.changed, false)} of the slates` : "";
  };
  rules.showCosts(sentence);
  placementBox(found.placement ?? "")?.rules.showCosts(sentence);
  for (const node of document.querySelectorAll("#edits-strengths input")) {  // those of a placement are its own
    node.parentElement.querySelector("output").textContent = found.placement ? "" : sentence(node.dataset.name.replaceAll("_", " "));
  }
}

async function propose() {
  const body = { settings: written(), placement: $("edits-placement").value || null, base: answer.serving, note: $("edits-why").value.trim() };
  take(await call(PATH, body));
}

function history(fresh) {
  const proposals = fresh.history.filter((row) => row.action === "propose");
  const decisions = Map.groupBy(fresh.history.filter((row) => row.action !== "propose"), (row) => row.about);
  $("edits-history").replaceChildren(...proposals.map((row) => proposal(row, decisions.get(row.row) ?? [], fresh)));
  if (!proposals.length) $("edits-history").append(element("li", "quiet", "Nothing was proposed yet."));
}

function proposal(row, decisions, fresh) {
  const item = element("li"), serves = row.row === fresh.serving;
  item.dataset.row = row.row;
  const state = serves ? "serves" : row.state;
  item.append(element("b", "", `Proposal ${row.row}: ${row.note}`), element("p", "quiet", `${state} · proposed by ${said(row)}`));
  item.append(...changesOf(row, fresh), element("p", "", effectOf(row.preview)), element("p", "", objectivesOf(row.preview)));
  for (const one of [...decisions].reverse()) {
    item.append(element("p", "quiet", `${{ approve: "approved", reject: "rejected", undo: "undone" }[one.action]} by ${said(one)}`));
  }
  const decide = (action) => async () => take(await call(`${PATH}/${action}/${row.row}`, { note: "" }));
  const report = (message) => fail({ message });
  if (row.state === "open") {
    const own = fresh.second_key && row.by === fresh.key;
    item.append(own ? element("p", "quiet", "It was proposed with your key; another key must approve it.") : actionButton("Approve", "", decide("approve"), report));
    item.append(actionButton("Reject", "", decide("reject"), report));
  }
  if (serves) item.append(actionButton("Undo", "", decide("undo"), report));
  return item;
}

// What a proposal changes of the settings that served when it was made, and all of its settings as they are stored.
function changesOf(row, fresh) {
  const base = fresh.history.find((one) => one.row === row.about)?.settings ?? {}, list = element("ul", "changes"), all = element("details");
  list.append(...changeLines(base, row.settings, fresh.bundle).map((line) => element("li", "", line)));
  all.append(element("summary", "", "All settings of the proposal"), element("code", "", JSON.stringify(row.settings)));
  return [list, all];
}

function said(row) {
  return `${row.by}, ${new Date(row.time).toISOString().slice(0, 16).replace("T", " ")} UTC${row.action !== "propose" && row.note ? `: ${row.note}` : ""}`;
}
