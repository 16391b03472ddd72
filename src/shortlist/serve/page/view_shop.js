// The view of a shop: rows of products, a page for each product with what goes with it, and a basket.
import { call, loadFacts } from "./api.js";
import { Basket, complementsOf } from "./basket.js";
import { element, itemButton } from "./dom.js";
import { money } from "./format.js";
import { cover, strip } from "./product.js";
import { similarPath } from "./requests.js";

const basket = new Basket();

export async function shopView(product) {
  const page = await call("/v1/page", product.request({ rows: 5, n: 10 }));
  const facts = await loadFacts(page.rows.flatMap((line) => line.items));
  const tiles = (line) => line.items.map((row) => tile(product, row, facts.get(row.item), line.slate_id));
  const titleOf = (line) => (line.kind === "again" ? "Buy it again" : line.title);
  await showBeside(product, page.rows.map((line) => strip(titleOf(line), tiles(line), line.kind)));
}

function tile(product, row, facts, slate, note = row.reason) {
  const item = element("li", "ware");
  const button = itemButton(row.item, `Look at ${row.title}`, () => showDetails(product, row, slate), product.say);
  button.append(cover(row.title, "square"), element("b", "", row.title), element("span", "price", money(facts?.facts.price)), element("span", "quiet", note));
  item.append(button);
  return item;
}

async function similar(product, item, n, source) {
  return (await call(similarPath(item, n, source, product.project.sources))).items;
}

// Nodes in the main column, the basket beside them.
async function showBeside(product, nodes) {
  const frame = element("div", "shopping"), main = element("div");
  main.append(...nodes);
  frame.append(main, await drawBasket(product));
  product.body.replaceChildren(frame);
}

async function refreshBasket(product) {
  const old = product.body.querySelector(".basket");
  if (old) old.replaceWith(await drawBasket(product));
}

async function drawBasket(product) {
  const box = element("aside", "basket card");
  box.setAttribute("aria-label", "Basket");
  box.append(element("h2", "", `Basket (${basket.size})`));
  if (!basket.size) { box.append(element("p", "quiet", "Nothing in it yet.")); return box; }
  const list = element("ol", "in-basket");
  list.append(...[...basket.items].map(([item, one]) => basketLine(product, item, one)));
  box.append(list, product.button("Buy", "primary", () => buy(product)));
  const lists = await Promise.all([...basket.items.keys()].map((item) => similar(product, item, 12, "together")));
  const found = complementsOf(basket.items, lists);
  if (found.length) {
    const facts = await loadFacts(found), row = element("ol", "next");
    row.append(...found.map((one) => tile(product, one, facts.get(one.item), "")));
    box.append(element("h2", "", "Goes with your basket"), row);
  }
  return box;
}

function basketLine(product, item, one) {
  const line = element("li");
  const remove = product.button("Remove", "", async () => { basket.remove(item); await refreshBasket(product); });
  remove.setAttribute("aria-label", `Remove ${one.title}`);
  line.append(element("span", "", one.title), element("span", "price", money(one.price)), remove);
  return line;
}

async function buy(product) {
  for (const [item, one] of basket.items) await product.record(item, one.slate, ["purchase", one.margin]);
  product.say(`Bought: ${basket.titles.join(", ")}`);
  basket.clear();
  await product.show();
}

async function showDetails(product, row, slate) {
  await product.record(row.item, slate, ["click"]);
  const [own, complements, substitutes] = await Promise.all([
    loadFacts([row]), similar(product, row.item, 8, "together"), similar(product, row.item, 8, "content"),
  ]);
  const facts = own.get(row.item) ?? { facts: {}, tags: [] };
  const about = await loadFacts([...complements, ...substitutes]);
  const main = details(product, row, facts, slate);
  const tiles = (rows) => rows.map((one) => tile(product, one, about.get(one.item), "", ""));
  const rows = [main];
  if (complements.length) rows.push(strip("Bought together with it", tiles(complements), "together"));
  if (substitutes.length) rows.push(strip("Compare with", tiles(substitutes), "alike"));
  await showBeside(product, rows);
  main.scrollIntoView({ block: "nearest" });
}

function details(product, row, { facts, tags }, slate) {
  const main = element("section", "detail"), words = element("div");
  const add = product.button("Add to basket", "primary", async () => {
    basket.add(row.item, { title: row.title, price: facts.price, margin: facts.margin, slate });
    await product.record(row.item, slate, ["cart"]);
    product.say(`${row.title} is in your basket`);
    await refreshBasket(product);
  });
  const stock = facts.stock === undefined ? "" : facts.stock > 0 ? `${facts.stock} in stock` : "Out of stock";
  words.append(element("h2", "", row.title), element("p", "price", money(facts.price)), element("p", "quiet", tags.join(" · ")),
    element("p", "quiet", stock), add, product.button("Back to the shop", "", product.show));
  main.append(cover(row.title, "large"), words);
  return main;
}
