"use strict";
// A shop: a home of rows, a page for each product with what goes with it, and a basket.
const basket = new Map();

function money(value) { return value === undefined || value === null ? "" : value.toLocaleString("en", { style: "currency", currency: "EUR" }); }

function ware(row, facts, slate, note = "") {
  const item = element("li", "ware");
  const button = element("button");
  button.type = "button";
  button.dataset.item = row.item;
  button.setAttribute("aria-label", `Look at ${row.title}`);
  button.append(cover(row.title, "square"), element("b", "", row.title), element("span", "price", money(facts && facts.facts.price)), element("span", "quiet", note || row.reason));
  button.addEventListener("click", () => lookAt(row, slate).catch((error) => say(error.message)));
  item.append(button);
  return item;
}

async function partners(item, n) {
  const by = state.project.sources.includes("together") ? "&by=together" : "";
  return (await call(`/v1/items/${encodeURIComponent(item)}/similar?n=${n}${by}`)).items;
}

// What could stand for it: alike by its description, where the project has that source.
async function substitutes(item) {
  const by = state.project.sources.includes("content") ? "&by=content" : "";
  return (await call(`/v1/items/${encodeURIComponent(item)}/similar?n=8${by}`)).items;
}

// What goes with the whole basket: what goes with most of it, and is not in it.
async function basketPartners() {
  const worth = new Map();
  for (const item of basket.keys()) for (const row of await partners(item, 12)) {
    const known = worth.get(row.item) || { ...row, score: 0 };
    known.score += row.score;
    worth.set(row.item, known);
  }
  return [...worth.values()].filter((row) => !basket.has(row.item)).sort((a, b) => b.score - a.score).slice(0, 4);
}

async function side() {
  const box = element("aside", "basket card");
  box.setAttribute("aria-label", "Basket");
  box.append(element("h2", "", `Basket (${basket.size})`));
  const list = element("ol", "in-basket");
  for (const [item, one] of basket) {
    const line = element("li");
    const out = action("Remove", "", async () => { basket.delete(item); await showBasket(); });
    out.setAttribute("aria-label", `Remove ${one.title}`);
    line.append(element("span", "", one.title), element("span", "price", money(one.price)), out);
    list.append(line);
  }
  if (!basket.size) box.append(element("p", "quiet", "Nothing in it yet."));
  else {
    const buy = action("Buy", "primary", async () => {
      for (const [item, one] of basket) await did(item, one.slate, ["purchase", one.margin]);
      say(`Bought: ${[...basket.values()].map((one) => one.title).join(", ")}`);
      basket.clear();
      await showProduct();
    });
    box.append(list, buy);
    const found = await basketPartners();
    if (found.length) {
      const facts = await factsOf(found);
      const row = element("ol", "next");
      row.append(...found.map((one) => ware(one, facts.get(one.item), "", one.reason)));
      box.append(element("h2", "", "Goes with your basket"), row);
    }
  }
  return box;
}

async function showBasket() {
  const old = document.querySelector("#product-body .basket");
  if (old) old.replaceWith(await side());
}

async function framed(...nodes) {
  const frame = element("div", "shopping");
  const main = element("div");
  main.append(...nodes);
  frame.append(main, await side());
  $("product-body").replaceChildren(frame);
}

looks.shop = async () => {
  const page = await call("/v1/page", asking({ rows: 5, n: 10 }));
  const facts = await factsOf(page.rows.flatMap((line) => line.items));
  const titles = { again: "Buy it again" };
  await framed(...page.rows.map((line) => strip(titles[line.kind] || line.title, line.items.map((row) => ware(row, facts.get(row.item), line.slate_id)), line.kind)));
};

async function lookAt(row, slate) {
  await did(row.item, slate, ["click"]);
  const [own, complements, alike] = await Promise.all([
    factsOf([row]), partners(row.item, 8), substitutes(row.item),
  ]);
  const facts = own.get(row.item) || { facts: {}, tags: [] };
  const about = await factsOf([...complements, ...alike]);
  const main = element("section", "detail");
  const words = element("div");
  const put = action("Add to basket", "primary", async () => {
    basket.set(row.item, { title: row.title, price: facts.facts.price, margin: facts.facts.margin, slate });
    await did(row.item, slate, ["cart"]);
    say(`${row.title} is in your basket`);
    await showBasket();
  });
  const stock = facts.facts.stock;
  words.append(element("h2", "", row.title), element("p", "price", money(facts.facts.price)), element("p", "quiet", facts.tags.join(" · ")),
    element("p", "quiet", stock === undefined ? "" : stock > 0 ? `${stock} in stock` : "Out of stock"), put, action("Back to the shop", "", showProduct));
  main.append(cover(row.title, "large"), words);
  const rows = [main];
  if (complements.length) rows.push(strip("Bought together with it", complements.map((one) => ware(one, about.get(one.item), "", "")), "together"));
  if (alike.length) rows.push(strip("Compare with", alike.map((one) => ware(one, about.get(one.item), "", "")), "alike"));
  await framed(...rows);
  main.scrollIntoView({ block: "nearest" });
}
