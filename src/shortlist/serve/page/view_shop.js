// The view of a shop: rows of products, a page for each product with what goes with it, and a basket.
import { client, loadFacts } from "./api.js";
import { Basket } from "./basket.js";
import { drawBasket, refreshBasket } from "./basket_view.js";
import { element, texts } from "./dom.js";
import { caption, money } from "./format.js";
import { heading } from "./link.js";
import { similarRequest } from "./requests.js";
import { shelf } from "./shelf.js";
import { ware } from "./ware.js";

const basket = new Basket();

export async function shopView(product) {
  const page = await client.page(product.request({ rows: 5, n: 10 }));
  const facts = await loadFacts(page.rows.flatMap((line) => line.items));
  const tiles = (line) => line.items.map((row) => tile(product, row, facts.get(row.item), caption(row.reason, line)));
  const titleOf = (line) => (line.kind === "again" ? "Buy it again" : line.title);
  await showBeside(product, page.rows.map((line) => shelf(titleOf(line), tiles(line), line.kind)));
}

function tile(product, row, facts, note = "") {
  return ware(product, row, facts, note, () => showDetails(product, row));
}

function similar(product, item, n, source) {
  return client.similar(item, similarRequest(n, source, product.project.sources));
}

// Nodes in the main column, the basket beside them.
async function showBeside(product, nodes) {
  const frame = element("div", "shopping"), main = element("div", "rows");
  product.fill(nodes);
  main.append(...product.body.childNodes);
  frame.append(main, await drawBasket(view(product)));
  product.body.replaceChildren(frame);
}

// What the basket needs of the shop.
function view(product) {
  return { product, basket, tile: (row, facts) => tile(product, row, facts), similar: (item, n) => similar(product, item, n, "together") };
}

async function showDetails(product, row) {
  await product.record(row, ["click"]);
  const [own, complements, substitutes] = await Promise.all([
    loadFacts([row]), similar(product, row.item, 8, "together"), similar(product, row.item, 8, "content"),
  ]);
  const facts = own.get(row.item) ?? { facts: {}, tags: [] };
  const about = await loadFacts([...complements, ...substitutes]);
  const main = details(product, row, facts);
  const tiles = (rows) => rows.map((one) => tile(product, one, about.get(one.item)));
  const rows = [main], known = new Set(complements.map((one) => one.item)), has = product.project.sources;
  const others = substitutes.filter((one) => !known.has(one.item));
  if (complements.length) rows.push(shelf(has.includes("together") ? "Bought together with it" : "Similar products", tiles(complements), "together"));
  if (others.length) rows.push(shelf("Compare with", tiles(others), "alike"));
  await showBeside(product, rows);
  main.scrollIntoView({ block: "nearest" });
}

// The value of a purchase: only where the project has an objective on it.
function valueOf(product, facts) {
  const { actions, amounts } = product.project;
  return amounts.includes(actions.buy) ? facts.facts.margin ?? facts.price ?? undefined : undefined;
}

function details(product, row, facts) {
  const main = element("section", "detail"), words = element("div");
  const add = product.button("Add to basket", "primary", async () => {
    const { price, currency } = facts;
    basket.add(row.item, { title: row.title, price, currency, value: valueOf(product, facts), slate: row.slate_id, facts });
    await product.record(row, ["cart"]);
    product.say(`${row.title} is in your basket`);
    await refreshBasket(view(product));
  });
  const { stock } = facts.facts;
  const lines = [
    ["price", money(facts.price, facts.currency)], ["quiet", facts.tags.join(" · ")],
    ["quiet", stock === undefined ? "" : stock > 0 ? `${stock} in stock` : "Out of stock"],
  ];
  words.append(heading("h2", row.title, facts.link), ...texts("p", lines),
    add, product.button("Back to the shop", "", product.show));
  main.append(product.art(row, facts, "large"), words);
  return main;
}
