"use strict";
const $ = (id) => document.getElementById(id);
const state = { project: null, user: null, asked: 0 };

async function call(path, body) {
  const key = sessionStorage.getItem("key");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, body === undefined ? { headers } : { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const data = await answer.json();
  if (answer.status === 401) $("key-form").hidden = false;
  if (!answer.ok) throw new Error(data.error || `the server answered ${answer.status}`);
  return data;
}

function fail(error) { $("error").textContent = error.message; $("error").hidden = false; }

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function number(value, kind) {
  if (kind === "probability") return (100 * value).toFixed(value < 0.1 ? 1 : 0) + " %";
  return value >= 600 ? (value / 60).toFixed(0) + " min" : value.toFixed(value < 10 ? 1 : 0);
}

function weights() {
  return Object.fromEntries([...document.querySelectorAll("#weights input")].map((input) => [input.dataset.name, Number(input.value)]));
}

async function refresh() {
  const turn = ++state.asked;
  $("error").hidden = true;
  const started = performance.now();
  try {
    const slate = await call("/v1/recommend", asked());
    if (turn !== state.asked) return;
    const took = (performance.now() - started).toFixed(0);
    const facts = await call("/v1/items", slate.items.map((row) => row.item));
    const past = await call(`/v1/users/${encodeURIComponent(state.user)}/history`);
    if (turn !== state.asked) return;
    const tags = new Map(facts.map((fact) => [fact.item, fact.tags]));
    $("slate").replaceChildren(...slate.items.map((row) => card(row, tags.get(row.item) || [])));
    $("slate").dataset.slate = slate.slate_id;
    $("took").textContent = `${slate.items.length} of ${state.project.items.toLocaleString("en")} items in ${took} ms`;
    $("known").textContent = slate.user_known ? "Known from the log or from clicks here." : "New here: nothing is known yet. Click what you like.";
    $("history-count").textContent = `${past.events} events`;
    $("history").replaceChildren(...past.history.map((event) => {
      const line = element("li");
      line.append(element("span", "", event.title), element("span", "quiet", event.kind));
      return line;
    }));
  } catch (error) { fail(error); }
}

function card(row, tags) {
  const item = element("li");
  const button = element("button");
  button.type = "button";
  button.dataset.item = row.item;
  button.setAttribute("aria-label", `Choose ${row.title}`);
  let hash = 0;
  for (const letter of row.title) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  const body = element("span", "body");
  const predictions = element("span", "predictions");
  for (const [name, value] of Object.entries(row.predictions)) predictions.append(element("span", "", `${name} ${number(value, state.project.objectives[name].kind)}`));
  body.append(element("span", "reason", row.reason), element("span", "tags", tags.join(" · ")), predictions);
  button.append(element("span", `cover c${hash % 6}`, row.title), body);
  button.addEventListener("click", () => choose(row));
  item.append(button);
  return item;
}

async function choose(row) {
  const event = { user: state.user, item: row.item, kind: state.project.choose };
  if (state.project.choose_value !== null) event.value = state.project.choose_value;
  try { await call("/v1/events", { events: [event] }); } catch (error) { return fail(error); }
  await refresh();
}

function asked() {
  return { user: state.user, n: 12, weights: weights(), diversity: Number($("diversity").value), freshness: Number($("freshness").value) };
}

async function why(event) {
  event.preventDefault();
  const said = $("why-sentence");
  try {
    const found = await call("/v1/why", { ...asked(), item: $("why-item").value.trim() });
    said.textContent = `${found.title}: ${found.shown ? "it is on the slate." : found.sentence}`;
    $("why-steps").replaceChildren(...found.steps.map((step) => {
      const line = element("li", step.passed ? "passed" : "stopped");
      line.append(element("b", "", `${step.passed ? "✓" : "✗"} ${step.stage}`), element("span", "quiet", step.sentence));
      return line;
    }));
  } catch (error) {
    said.textContent = error.message;
    $("why-steps").replaceChildren();
  }
}

function slider(name, value, most) {
  const label = element("label", "", name);
  const output = element("output", "", value.toFixed(1));
  const input = element("input");
  Object.assign(input, { type: "range", min: value < 0 ? -most : 0, max: most, step: 0.1, value, id: `weight-${name}` });
  input.dataset.name = name;
  label.htmlFor = input.id;
  label.append(output);
  input.addEventListener("input", () => { output.textContent = Number(input.value).toFixed(1); });
  input.addEventListener("change", refresh);
  $("weights").append(label, input);
}

async function start() {
  const project = state.project = await call("/v1/project");
  $("project").textContent = `${project.name} · ${project.items.toLocaleString("en")} items · ${project.events.toLocaleString("en")} events`;
  $("simulated").hidden = !project.simulated;
  $("version").textContent = project.model_version;
  for (const [name, objective] of Object.entries(project.objectives)) slider(name, objective.weight, 3);
  for (const name of ["diversity", "freshness"]) {
    $(name).value = project[name];
    const show = () => { $(`${name}-out`).textContent = Number($(name).value).toFixed(2); };
    show();
    $(name).addEventListener("input", show);
    $(name).addEventListener("change", refresh);
  }
  const people = (await call("/v1/users")).users;
  $("user").append(...people.map((person, at) => {
    const option = element("option", "", `${person.user} (${person.events} events)`);
    option.value = at;
    return option;
  }));
  $("user").addEventListener("change", () => { state.user = people[$("user").value].user; refresh(); });
  $("visitor").addEventListener("click", () => { state.user = `visitor-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`; refresh(); });
  state.user = people.length ? people[0].user : "visitor";
  await refresh();
}
$("why-form").addEventListener("submit", why);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key").value.trim());
  location.reload();
});
start().catch(fail);
