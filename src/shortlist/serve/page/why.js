// "Why is it not here?": an item is found by its title or id, and followed through the stages.
import { call } from "./api.js";
import { $, element } from "./dom.js";

const PAUSE = 150;  // ms without a key before a search
const FOUND = 6;

// The item that is meant by a text: the one with this id or title, or else the first one found.
export function meantBy(text, items) {
  const plain = text.trim().toLowerCase();
  const same = (value) => String(value).toLowerCase() === plain;
  return items.find((row) => same(row.item)) ?? items.find((row) => same(row.title)) ?? items[0] ?? null;
}

const find = async (text) => call(`/v1/items?q=${encodeURIComponent(text)}&n=${FOUND}`);

// `request`: returns the request whose slate the item is missing on.
export function startWhy(request) {
  const input = $("why-item"), list = $("why-found");
  let timer = null, turn = 0, followed = null;
  const forget = () => { clearTimeout(timer); turn += 1; list.replaceChildren(); };

  async function follow(row) {
    forget();
    input.value = row.title;
    followed = row;
    try { draw(await call("/v1/why", { ...request(), item: row.item })); } catch (error) { draw({ sentence: error.message, steps: [] }); }
  }

  async function suggest() {
    const mine = ++turn;
    if (!input.value.trim()) { list.replaceChildren(); return; }
    try {
      const { items } = await find(input.value);
      if (mine !== turn) return;  // a later search has begun
      list.replaceChildren(...items.map((row) => {
        const line = element("li"), button = element("button", "", row.title);
        button.type = "button";
        button.append(element("small", "", [row.item, ...row.tags].join(" · ")));
        button.addEventListener("click", () => follow(row));
        line.append(button);
        return line;
      }));
    } catch (error) { draw({ sentence: error.message, steps: [] }); }
  }

  input.addEventListener("input", () => { followed = null; clearTimeout(timer); timer = setTimeout(suggest, PAUSE); });
  $("why-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    forget();
    if (followed) { await follow(followed); return; }
    try {
      const row = meantBy(input.value, (await find(input.value)).items);
      if (row) await follow(row);
      else draw({ sentence: `No item has "${input.value.trim()}" in its title or id. The tab Catalogue lists all items.`, steps: [] });
    } catch (error) { draw({ sentence: error.message, steps: [] }); }
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
