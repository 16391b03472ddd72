// The tab "Try it": a slate with reasons and predictions, and sliders for the weights.
import { call, client, loadFacts, loadPeople, loadProject } from "./api.js";
import { art } from "./art.js";
import { $, element, texts, itemButton } from "./dom.js";
import { money, prediction } from "./format.js";
import { pickPerson } from "./person_picker.js";
import { slateRequest, usualContext } from "./requests.js";
import { startWhy } from "./why.js";

const MAX_WEIGHT = 3;
const STRENGTHS = ["diversity", "freshness"];
const tab = { user: null, turn: 0, project: null };

export function showError(message) {
  $("error").textContent = message;
  $("error").hidden = false;
}

export async function startTryIt() {
  const project = tab.project = await loadProject();
  for (const [name, objective] of Object.entries(project.objectives)) addWeight(name, objective.weight);
  for (const name of STRENGTHS) addStrength(name);
  addPlacements(Object.keys(project.placements));
  showSettings();
  const people = await loadPeople();
  const choose = (user) => { tab.user = user; refresh(); };
  tab.user = pickPerson({ select: $("user"), visitorButton: $("visitor") }, people, choose);
  startWhy(request);
  await refresh();
}

function request() {
  const inputs = [...document.querySelectorAll("#weights input")];
  const weights = Object.fromEntries(inputs.map((input) => [input.dataset.name, Number(input.value)]));
  const [diversity, freshness] = STRENGTHS.map((name) => Number($(name).value));
  return slateRequest(tab.user, usualContext(tab.project.context), { placement: $("placement").value, weights, diversity, freshness });
}

async function refresh() {
  const mine = ++tab.turn;
  $("error").hidden = true;
  const started = performance.now();
  try {
    const slate = await client.recommend(request());
    if (mine !== tab.turn) return;  // a later request has begun
    const took = (performance.now() - started).toFixed(0);
    const [facts, past] = await Promise.all([loadFacts(slate.items), call(`/v1/users/${encodeURIComponent(tab.user)}/history`)]);
    if (mine !== tab.turn) return;
    $("slate").replaceChildren(...slate.items.map((row) => card(row, facts.get(row.item))));
    if (!slate.items.length) showError(["No item can be shown to this person.", ...slate.warnings].join(" "));
    $("slate").dataset.slate = slate.slate_id;
    $("took").textContent = `${slate.items.length} of ${tab.project.items.toLocaleString("en")} items in ${took} ms`;
    $("known").textContent = slate.user_known ? "Known from the log or from clicks here." : "New here: nothing is known yet. Click what you like.";
    $("history-count").textContent = `${past.events} events`;
    $("history").replaceChildren(...(past.history.length ? [] : [element("li", "quiet", "Nothing yet: choose an item.")]), ...past.history.map((event) => {
      const line = element("li");
      line.append(element("span", "", event.title), element("span", "quiet", event.kind));
      return line;
    }));
  } catch (error) { showError(error.message); }
}

function card(row, facts) {
  const item = element("li"), button = itemButton(row.item, `Choose ${row.title}`, () => choose(row), showError);
  const body = element("span", "body"), predictions = element("span", "predictions"), tags = (facts?.tags ?? []).join(" · ");
  for (const [name, value] of Object.entries(row.predictions)) {
    const text = `${name} ${prediction(value, tab.project.objectives[name].kind)}`;
    predictions.append(element("span", "", text));
  }
  const lines = [["price", money(facts?.price, facts?.currency)], ["reason", row.reason], ["tags", tags]];
  body.append(element("b", "name", row.title), ...texts("span", lines), predictions);
  button.append(art({ ...row, image: facts?.image, tags: facts?.tags }, tab.project.image_hosts, "cover"), body);
  item.append(button);
  return item;
}

async function choose(row) {
  const { choose: kind, choose_value: value } = tab.project;
  await client.send([client.event(kind, row, { user: tab.user, value })]);
  await refresh();
}

function addWeight(name, value) {
  const label = element("label", "", name), output = element("output"), input = element("input");
  Object.assign(input, { type: "range", min: value < 0 ? -MAX_WEIGHT : 0, max: MAX_WEIGHT, step: 0.1, id: `weight-${name}` });
  input.dataset.name = name;
  label.htmlFor = input.id;
  label.append(output);
  input.addEventListener("input", () => showValue(input, output, 1));
  input.addEventListener("change", refresh);
  $("weights").append(label, input);
}

function addStrength(name) {
  const input = $(name);
  input.addEventListener("input", () => showValue(input, $(`${name}-out`), 2));
  input.addEventListener("change", refresh);
}

function showValue(input, output, digits) { output.textContent = Number(input.value).toFixed(digits); }

// The choice of a placement; its weights and strengths are shown, and can be changed like those of the project.
function addPlacements(names) {
  const select = $("placement");
  select.append(...names.map((name) => element("option", "", name)));
  $("places").hidden = !names.length;
  select.addEventListener("change", () => { showSettings(); refresh(); });
}

// The weights and strengths of the placement that is chosen, or of the project.
function showSettings() {
  const { project } = tab, place = project.placements[$("placement").value] ?? { weights: {} };
  for (const [name, objective] of Object.entries(project.objectives)) {
    const input = $(`weight-${name}`);
    input.value = place.weights[name] ?? objective.weight;
    showValue(input, input.previousElementSibling.querySelector("output"), 1);
  }
  for (const name of STRENGTHS) {
    $(name).value = place[name] ?? project[name];
    showValue($(name), $(`${name}-out`), 2);
  }
}
