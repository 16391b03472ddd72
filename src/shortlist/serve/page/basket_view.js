// The basket of a shop: beside the rows, and on a phone at the lower edge, where it opens.
import { loadFacts } from "./api.js";
import { complementsOf } from "./basket.js";
import { element } from "./dom.js";
import { money, total } from "./format.js";

const NARROW = "(max-width: 720px)";
const shown = { fold: null, opened: false };  // the basket that is drawn, and whether it was opened on a phone

// On a phone the basket is as it was left; elsewhere it is open.
function follow() {
  if (shown.fold) shown.fold.open = !matchMedia(NARROW).matches || shown.opened;
}

globalThis.matchMedia?.(NARROW).addEventListener("change", follow);

// `shop`: product, basket, `tile(row, facts)`, and `similar(item, n)` for what goes with an item.
export async function drawBasket(shop) {
  const box = element("aside", "basket card"), fold = element("details"), head = element("summary");
  box.setAttribute("aria-label", "Basket");
  head.append(element("h2", "", `Basket (${shop.basket.size})`), element("b", "price", total(shop.basket.prices)));
  fold.append(head, ...(await content(shop)));
  shown.fold = fold;
  follow();
  fold.addEventListener("toggle", () => { if (matchMedia(NARROW).matches) shown.opened = fold.open; });
  box.append(fold);
  return box;
}

async function content(shop) {
  const { product, basket } = shop;
  if (!basket.size) return [element("p", "quiet", "Nothing in it yet. Open a product and add it.")];
  const list = element("ol", "in-basket");
  list.append(...[...basket.items].map(([item, one]) => line(shop, item, one)));
  const parts = [list, product.button("Buy", "primary", () => buy(shop))];
  const lists = await Promise.all([...basket.items.keys()].map((item) => shop.similar(item, 12)));
  const found = complementsOf(basket.items, lists);
  if (found.length) {
    const facts = await loadFacts(found), row = element("ol", "next");
    row.append(...found.map((one) => shop.tile(one, facts.get(one.item))));
    parts.push(element("h3", "", "Goes with your basket"), row);
  }
  return parts;
}

export async function refreshBasket(shop) {
  const old = shop.product.body.querySelector(".basket");
  if (old) old.replaceWith(await drawBasket(shop));
}

function line(shop, item, one) {
  const row = element("li");
  const remove = shop.product.button("Remove", "", async () => { shop.basket.remove(item); await refreshBasket(shop); });
  remove.setAttribute("aria-label", `Remove ${one.title}`);
  row.append(element("span", "", one.title), element("span", "price", money(one.price, one.currency)), remove);
  return row;
}

async function buy({ product, basket }) {
  for (const [item, one] of basket.items) await product.record({ item, slate_id: one.slate }, ["buy", one.value]);
  product.say(`Bought: ${basket.titles.join(", ")}`);
  basket.clear();
  shown.opened = false;
  await product.show();
}
