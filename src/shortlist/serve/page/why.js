// "Why is it not here?": an item is found by its title or id, and followed through the stages.
import { call } from "./api.js";
import { $, element } from "./dom.js";
import { findItems, suggestItems } from "./item_search.js";

// The item that is meant by a text: the one with this id or title, or else the first one found.
export function meantBy(text, items) {
  const plain = text.trim().toLowerCase();
  const same = (value) => String(value).toLowerCase() === plain;
  return items.find((row) => same(row.item)) ?? items.find((row) => same(row.title)) ?? items[0] ?? null;
}

// `request`: returns the request whose slate the item is missing on.
export function startWhy(request) {
  const input = $("why-item"), fail = (sentence) => draw({ sentence, steps: [] });
  let followed = null;
  const forget = suggestItems(input, $("why-found"), follow, fail);

  async function follow(row) {
    followed = row;
    input.value = row.title;
    try { draw(await call("/v1/why", { ...request(), item: row.item })); } catch (error) { fail(error.message); }
  }

  input.addEventListener("input", () => { followed = null; });
  $("why-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    forget();
    if (followed) { await follow(followed); return; }
    try {
      const row = meantBy(input.value, await findItems(input.value));
      if (row) await follow(row);
      else fail(`No item has "${input.value.trim()}" in its title or id. The tab Catalogue lists all items.`);
    } catch (error) { fail(error.message); }
  });
}

function draw(found) {
  $("why-sentence").textContent = found.title ? `${found.title}: ${found.shown ? "it is on the slate." : found.sentence}` : found.sentence;
  $("why-steps").replaceChildren(...found.steps.map((step) => {
    const line = element("li", step.passed ? "passed" : "stopped");
    line.append(element("b", "", `${step.passed ? "✓" : "✗"} ${step.stage}`), element("span", "quiet", step.sentence));
    return line;
  }));
}
