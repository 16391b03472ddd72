// An input that finds items by their title or id, and shows those that it finds below it.
import { call } from "./api.js";
import { element } from "./dom.js";

const PAUSE = 150;  // ms without a key before a search
const FOUND = 6;

// The items that a text finds.
export const findItems = async (text) => (await call(`/v1/items?q=${encodeURIComponent(text)}&n=${FOUND}`)).items;

// Show what an input finds in a list; `chosen` gets the item that is clicked, `report` the message of an error.
// Returns a function that ends a search and empties the list.
export function suggestItems(input, list, chosen, report) {
  let timer = null, turn = 0;
  const forget = () => { clearTimeout(timer); turn += 1; list.replaceChildren(); };

  async function suggest() {
    const mine = ++turn;
    if (!input.value.trim()) { list.replaceChildren(); return; }
    try {
      const items = await findItems(input.value);
      if (mine === turn) list.replaceChildren(...items.map(entry));  // else a later search has begun
    } catch (error) { report(error.message); }
  }

  function entry(row) {
    const line = element("li"), button = element("button", "", row.title);
    button.type = "button";
    button.append(element("small", "", [row.item, ...row.tags].join(" · ")));
    button.addEventListener("click", () => { forget(); input.value = row.title; chosen(row); });
    line.append(button);
    return line;
  }

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(suggest, PAUSE); });
  return forget;
}
