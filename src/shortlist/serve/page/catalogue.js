// The tab "Catalogue": search, and all that is known of one item.
import { call, client, loadProject } from "./api.js";
import { art, withheld } from "./art.js";
import { table } from "./charts.js";
import { $, element, texts } from "./dom.js";
import { money, shown } from "./format.js";
import { heading } from "./link.js";

const PAUSE = 150;  // ms without a key before a search
let turn = 0;

// Which part of the hits is shown.
export function countOf(listed, total) {
  const all = total.toLocaleString("en");
  return listed < total ? `the first ${listed} of ${all}` : `${all} items`;
}

export function catalogueView() {
  let timer = null;
  $("search").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, PAUSE); });
  return () => { if (!$("found").children.length) search(); };
}

async function search() {
  const mine = ++turn;
  try {
    const answer = await call(`/v1/items?q=${encodeURIComponent($("search").value)}&n=50`);
    if (mine !== turn) return;  // a later search has begun
    $("search-note").textContent = answer.total ? countOf(answer.items.length, answer.total)
      : "0 items: no title or id contains all these words.";
    $("found").replaceChildren(...answer.items.map((row) => {
      const line = element("li"), button = element("button", "", row.title);
      button.type = "button";
      button.append(element("small", "", [row.item, ...row.tags].join(" · ")));
      button.addEventListener("click", () => show(row.item));
      line.append(button);
      return line;
    }));
  } catch (error) { $("search-note").textContent = error.message; }
}

async function show(id) {
  const place = $("item");
  try {
    const [known, similar] = await Promise.all([call(`/v1/items/${encodeURIComponent(id)}`), client.similar(id, { n: 12 })]);
    const near = element("div", "neighbours");
    near.append(...similar.map((row) => {
      const button = element("button", "", row.title);
      button.type = "button";
      button.addEventListener("click", () => show(row.item));
      return button;
    }));
    const head = element("div", "item-head"), words = element("div"), about = [known.item, known.retired ? "retired" : ""];
    const { image_hosts: hosts } = await loadProject();
    words.append(heading("h3", known.title, known.link), element("p", "quiet", about.filter(Boolean).join(" · ")));
    if (known.price !== null) words.append(element("p", "price", money(known.price, known.currency)));
    words.append(...texts("p", [["quiet", withheld(known.image, hosts)]]));
    head.append(art(known, hosts, "thumb"), words);
    place.replaceChildren(head);
    const parts = { Attributes: known.attributes, Events: known.counts, "Features for a new visitor": known.features };
    for (const [title, values] of Object.entries(parts)) {
      const box = element("div");
      place.append(element("h4", "", title), box);
      const known = Object.entries(values).map(([name, value]) => [name, shown(value)]).filter(([, text]) => text !== null);
      table(box, ["", ""], known, "nothing is known");
    }
    place.append(element("h4", "", "Similar items"), similar.length ? near : element("p", "quiet", "none yet: it has no events together with other items"));
  } catch (error) { place.replaceChildren(element("p", "", error.message)); }
}
