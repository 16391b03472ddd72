"use strict";
// The product tab: what a person would see, as the project's `view` says. What is shared by all of its looks.
const looks = {};
const product = { user: null, context: {}, people: [] };

function cover(title, name = "") {
  let hash = 0;
  for (const letter of title) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  const node = element("span", `art c${hash % 6} ${name}`);
  node.setAttribute("aria-hidden", "true");
  return node;
}

function asking(more) {
  const said = { user: product.user, ...more };
  if (Object.keys(product.context).length) said.context = product.context;
  return said;
}

async function factsOf(rows) {
  const found = rows.length ? await call("/v1/items", rows.map((row) => row.item)) : [];
  return new Map(found.map((fact) => [fact.item, fact]));
}

// What somebody did, told to the server as the product would; kinds that the log does not have are left out.
async function did(item, slate, ...said) {
  const events = said.filter(([kind]) => state.project.kinds.includes(kind)).map(([kind, value]) => {
    const event = { user: product.user, item, kind };
    if (value !== undefined) event.value = value;
    if (slate) event.slate_id = slate;
    if (Object.keys(product.context).length) event.context = product.context;
    return event;
  });
  if (events.length) await call("/v1/events", { events });
}

function say(text) { $("product-said").textContent = text; }

function action(label, name, run) {
  const button = element("button", name, label);
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try { await run(); } catch (error) { say(error.message); } finally { button.disabled = false; }
  });
  return button;
}

async function showProduct() {
  const look = looks[state.project.view];
  try { await look($("product-body")); } catch (error) { say(error.message); }
}

// A row that is wider than the window is moved through by keyboard, too.
function strip(title, tiles, name = "") {
  const row = element("section", `strip ${name}`);
  const list = element("ol", "tiles-row");
  list.tabIndex = 0;
  list.setAttribute("aria-label", title);
  list.append(...tiles);
  row.append(element("h2", "", title), list);
  return row;
}

async function startProduct() {
  const names = { shelf: "Store", feed: "Feed", shop: "Shop", rows: "Home" };
  while (!state.project || state.user === null) await new Promise((done) => setTimeout(done, 30));
  const { view, context } = state.project;
  if (!(view in names)) return;
  product.people = (await call("/v1/users")).users;
  const select = $("product-user");
  select.append(...product.people.map((person, at) => {
    const option = element("option", "", `${person.user} (${person.events} events)`);
    option.value = at;
    return option;
  }));
  product.user = product.people.length ? product.people[0].user : "visitor";
  select.addEventListener("change", () => { product.user = product.people[select.value].user; say(""); showProduct(); });
  $("product-visitor").addEventListener("click", () => {
    product.user = `visitor-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    say("New here: nothing is known yet.");
    showProduct();
  });
  for (const [name, values] of Object.entries(context)) {
    product.context[name] = values[0];
    const label = element("label", "", `${name} `);
    const choice = element("select");
    choice.id = `product-${name}`;
    choice.append(...values.map((value) => element("option", "", value)));
    choice.addEventListener("change", () => { product.context[name] = choice.value; showProduct(); });
    label.append(choice);
    $("product-as").insertBefore(label, $("product-visitor"));
  }
  const tab = $("tab-product");
  tab.textContent = names[view];
  tab.hidden = false;
  tabs = [...document.querySelectorAll("#tabs [role=tab]:not([hidden])")];
  views.product = showProduct;
  if (!location.hash || location.hash === "#product") open("product", false);
}
startProduct().catch(fail);
