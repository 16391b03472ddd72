// A product of a shop as a tile: picture, title, price, and a note.
import { element, itemButton, texts } from "./dom.js";
import { money } from "./format.js";

export function ware(product, row, facts, note, open) {
  const item = element("li", "ware"), button = itemButton(row.item, `Look at ${row.title}`, open, product.say);
  button.append(product.art(row, facts, "square"), element("b", "name", row.title));
  const price = money(facts?.price, facts?.currency);
  button.append(...texts("span", [["price", price], ["quiet", note]]));
  item.append(button);
  return item;
}
