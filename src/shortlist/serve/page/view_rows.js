// Pages of rows: posters (movies), and icons with a button (apps).
import { call, loadFacts } from "./api.js";
import { element, itemButton } from "./dom.js";
import { initials } from "./format.js";
import { cover, strip } from "./product.js";

const DEFAULT_MINUTES = 90;  // of a film without a length

export const posterView = (product) => pageOfRows(product, poster);
export const iconView = (product) => pageOfRows(product, icon);

async function pageOfRows(product, tile) {
  const page = await call("/v1/page", product.request({ rows: 7, n: 10 }));
  const facts = await loadFacts(page.rows.flatMap((line) => line.items));
  const tiles = (line) => line.items.map((row) => tile(product, row, line, facts.get(row.item)));
  product.body.replaceChildren(...page.rows.map((line) => strip(line.title, tiles(line), line.kind)));
}

function poster(product, row, line, facts) {
  const item = element("li", "poster"), started = line.kind === "continue";
  const button = itemButton(row.item, `Play ${row.title}`, async () => {
    const minutes = facts?.facts.minutes || DEFAULT_MINUTES;
    await product.record(row.item, line.slate_id, ["play", Math.round(minutes * 60)]);
    product.say(`Watched ${row.title}`);
    await product.show();
  }, product.say);
  const art = cover(row.title, "tall");
  art.append(element("span", "", row.title));
  button.append(art, element("span", "quiet", started ? row.reason : (facts?.tags ?? []).join(" · ")));
  if (started) {
    const bar = element("progress");
    Object.assign(bar, { max: 1, value: row.score });
    bar.setAttribute("aria-label", row.reason);
    button.append(bar);
  }
  item.append(button);
  return item;
}

function icon(product, row, line, facts) {
  const item = element("li", "icon"), art = cover(row.title, "square");
  art.append(element("span", "", initials(row.title)));
  const size = facts?.facts.megabytes ? `${facts.facts.megabytes.toFixed(0)} MB` : "";
  const about = [facts?.tags[0], size].filter(Boolean).join(" · ");
  const install = product.button("Install", "primary", async () => {
    await product.record(row.item, line.slate_id, ["install"]);
    product.say(`Installed ${row.title}`);
    await product.show();
  });
  install.dataset.item = row.item;
  install.setAttribute("aria-label", `Install ${row.title}`);
  item.append(art, element("b", "", row.title), element("span", "quiet", about), install);
  return item;
}
