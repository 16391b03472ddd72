// The tab "Settings": weights, strengths and rules; the price of a change; proposals, approvals and history.
import { call } from "./api.js";
import { table } from "./charts.js";
import { $, actionButton, element, option } from "./dom.js";
import { effectOf, layerOf, objectivesOf, percent, readRule, words } from "./edit_values.js";
import { addPlacement, placementsOf, showPlacements } from "./edit_placements.js";

const PAUSE = 500;  // ms without a change before the price is computed
const ACTIONS = ["boost", "bury", "hide", "pin"];
const PATH = "/v1/admin/edits";
let answer = null;
let timer = null;
let turn = 0;

export function editsView() {
  $("edits-form").addEventListener("input", (event) => { if (event.target !== $("edits-why")) price(); });
  $("edits-form").addEventListener("submit", (event) => { event.preventDefault(); run(propose); });
  $("edits-add").addEventListener("click", () => { addRule({ name: "", when: "", action: "boost", amount: 0.2, slot: 0 }, true); });
  $("edits-pin").addEventListener("click", () => { addRule({ name: "", when: 'id = ""', action: "pin", amount: 0.2, slot: 0 }, true); });
  $("edits-place").addEventListener("click", () => addPlacement(price));
  return () => run(async () => take(await call(PATH)));
}

async function run(action) {
  $("edits-error").hidden = true;
  try { await action(); } catch (error) { fail(error); }
}

function fail(error) {
  $("edits-error").textContent = error.message;
  $("edits-error").hidden = false;
}

// Show what the server says, and fill the form with what serves.
function take(fresh) {
  answer = fresh;
  turn += 1;  // a price that is on its way is no longer asked for
  clearTimeout(timer);
  $("edits-price").removeAttribute("aria-busy");
  const serving = fresh.serving ? `Proposal ${fresh.serving} serves.` : "The settings of the bundle serve.";
  $("edits-note").textContent = fresh.fault ?? serving;
  numbers($("edits-weights"), fresh.present.weights, "weight", fresh.bundle.weights);
  const { rules, ...strengths } = fresh.present.rerank;
  numbers($("edits-strengths"), strengths, "strength", fresh.bundle.rerank);
  showPlacements(fresh.present.placements, fresh.bundle.placements, price);
  $("edits-rules").replaceChildren();
  for (const rule of rules) addRule(rule);
  $("edits-why").value = "";
  $("edits-price").replaceChildren(element("p", "quiet", "Change something to see what it costs."));
  history(fresh);
}

// One input for each number.
function numbers(place, values, kind, bundle) {
  place.replaceChildren(...Object.entries(values).map(([name, value]) => {
    const line = element("div", "setting"), label = element("label", "", words(name)), input = element("input");
    input.id = `edits-${kind}-${name}`;
    label.htmlFor = input.id;
    input.type = "number";
    input.step = "any";
    input.value = value ?? "";
    Object.assign(input.dataset, { kind, name });
    line.append(label, input, element("span", "quiet", bundle[name] === value ? "" : `in the bundle ${bundle[name] ?? "none"}`));
    return line;
  }));
}

// A rule as a group of inputs, with its price beside it.
function addRule(rule, focus = false) {
  const box = element("fieldset", "rule");
  box.append(element("legend", "", rule.name || "New rule"));
  const fields = [
    ["name", input("text", rule.name)], ["when", input("text", typeof rule.when === "string" ? rule.when : JSON.stringify(rule.when))],
    ["action", choice(ACTIONS, rule.action)], ["amount", input("text", rule.amount)], ["slot", input("number", rule.slot)],
  ];
  for (const [name, field] of fields) {
    const label = element("label", "", name === "when" ? "Items that" : words(name));
    field.dataset.field = name;
    label.append(field);
    box.append(label);
  }
  box.append(element("output", "quiet"), actionButton("Remove", "", () => { box.remove(); price(); }, (message) => fail({ message })));
  const fit = () => {
    const action = box.querySelector("[data-field=action]").value;
    box.querySelector("[data-field=amount]").parentElement.hidden = !["boost", "bury"].includes(action);
    box.querySelector("[data-field=slot]").parentElement.hidden = action !== "pin";
  };
  box.addEventListener("change", fit);
  fit();
  $("edits-rules").append(box);
  if (focus) box.querySelector("input").focus();
}

function input(type, value) {
  const node = element("input");
  node.type = type;
  node.value = value;
  return node;
}

function choice(names, chosen) {
  const node = element("select");
  node.append(...names.map((name) => option(name)));
  node.value = chosen;
  return node;
}

// The settings of the form, as far as they differ from those of the bundle.
function written() {
  const form = { weights: {}, rerank: {}, placements: placementsOf() };
  for (const node of document.querySelectorAll("#edits-form [data-kind]")) {
    const value = node.value === "" ? null : Number(node.value);
    form[node.dataset.kind === "weight" ? "weights" : "rerank"][node.dataset.name] = value;
  }
  form.rerank.rules = [...document.querySelectorAll("#edits-rules .rule")].map((box) => readRule(
    Object.fromEntries([...box.querySelectorAll("[data-field]")].map((node) => [node.dataset.field, node.value]))));
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
  for (const box of document.querySelectorAll("#edits-rules .rule")) {
    const part = costs.get(`rule: ${box.querySelector("[data-field=name]").value}`);
    box.querySelector("output").textContent = part
      ? `costs ${percent(part.price.value, false)} of the utility, changes ${percent(part.changed, false)} of the slates` : "";
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
  item.append(element("p", "", effectOf(row.preview)), element("p", "", objectivesOf(row.preview)), element("code", "", JSON.stringify(row.settings)));
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

function said(row) {
  return `${row.by}, ${new Date(row.time).toISOString().slice(0, 16).replace("T", " ")} UTC${row.action !== "propose" && row.note ? `: ${row.note}` : ""}`;
}
