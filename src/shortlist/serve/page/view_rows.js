// Pages of rows: posters (films), and icons with a button (apps).
import { client, loadFacts } from "./api.js";
import { element, itemButton } from "./dom.js";
import { money, rounded } from "./format.js";
import { shelf } from "./shelf.js";

export const posterView = (product) => pageOfRows(product, poster);
export const iconView = (product) => pageOfRows(product, icon);

async function pageOfRows(product, tile) {
  const page = await client.page(product.request({ rows: 7, n: 10 }));
  const facts = await loadFacts(page.rows.flatMap((line) => line.items));
  const tiles = (line) => line.items.map((row) => tile(product, row, line, facts.get(row.item)));
  product.fill(page.rows.map((line) => shelf(line.title, tiles(line), line.kind)));
}

// How long an item is used in whole, in the unit of the events' values; undefined where it is not known.
function wholeOf(facts, project) {
  if (facts?.facts.minutes) return Math.round(facts.facts.minutes * 60);
  return facts?.facts.length ?? project.choose_value ?? undefined;
}

function poster(product, row, line, facts) {
  const item = element("li", "poster"), started = line.kind === "continue";
  const button = itemButton(row.item, `Play ${row.title}`, async () => {
    await product.record(row, ["use", wholeOf(facts, product.project)]);
    product.say(`Watched ${row.title}`);
    await product.show();
  }, product.say);
  const about = started ? row.reason : (facts?.tags ?? []).join(" · ");
  button.append(product.art(row, facts, "tall"), element("b", "name", row.title));
  if (started) {
    const bar = element("progress");
    Object.assign(bar, { max: 1, value: row.score });
    bar.setAttribute("aria-label", row.reason);
    button.append(bar);
  }
  button.append(element("span", "quiet", about));
  item.append(button);
  return item;
}

function icon(product, row, line, facts) {
  const item = element("li", "icon");
  const size = facts?.facts.megabytes ? `${rounded(facts.facts.megabytes)} MB` : "";
  const about = [facts?.tags[0], size, money(facts?.price, facts?.currency)].filter(Boolean).join(" · ");
  const install = product.button("Install", "primary", async () => {
    await product.record(row, ["install"]);
    product.say(`Installed ${row.title}`);
    await product.show();
  });
  install.dataset.item = row.item;
  install.setAttribute("aria-label", `Install ${row.title}`);
  item.append(product.art(row, facts, "square"), element("b", "name", row.title), element("span", "quiet", about), install);
  return item;
}
