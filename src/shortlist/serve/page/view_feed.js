// The view of a video service: an endless feed, and a video with what comes next.
import { client, loadFacts } from "./api.js";
import { element, itemButton } from "./dom.js";
import { Feed } from "./feed.js";
import { clock } from "./format.js";
import { feedRequest } from "./requests.js";

const RETRY = 3000;  // ms until the feed is tried again after an error
let present = null;

export async function feedView(product) {
  present?.end();
  const list = element("ol", "feed"), end = element("div", "end");
  product.body.replaceChildren(list, end);
  const observer = new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting)) load();
  }, { rootMargin: "300px" });
  const feed = present = new Feed({
    load: (shown) => client.recommend(product.request(feedRequest(shown))),
    draw: async (slate) => {
      const facts = await loadFacts(slate.items);
      list.append(...slate.items.map((row) => clip(product, row, facts.get(row.item))));
    },
    watch: () => { if (list.isConnected) observer.observe(end); },
    unwatch: () => observer.unobserve(end),
  });
  const load = () => feed.more().catch((error) => {
    product.say(error.message);
    setTimeout(() => { if (!feed.ended) feed.watch(); }, RETRY);
  });
  await feed.more();
}

function clip(product, row, facts, className = "") {
  const item = element("li", `clip ${className}`);
  const button = itemButton(row.item, `Watch ${row.title}`, () => watch(product, row, facts), product.say);
  const art = product.art(row, facts, "wide");
  if (facts?.facts.length) art.append(element("span", "time", clock(facts.facts.length)));
  const line = [facts?.facts.channel ?? facts?.tags[0], row.reason].filter(Boolean).join(" · ");
  button.append(art, element("b", "name", row.title), element("span", "quiet", line));
  item.append(button);
  return item;
}

async function watch(product, row, facts) {
  await product.record(row, ["click"], ["watch", facts?.facts.length ?? product.project.choose_value]);
  const next = await client.recommend(product.request({ n: 6, after: row.item }));
  const about = await loadFacts(next.items);
  const page = element("div", "watching"), main = element("section"), side = element("section");
  const screen = product.art(row, facts, "screen"), sign = element("span", "sign", "▶");
  sign.setAttribute("aria-hidden", "true");
  screen.append(sign);
  main.append(screen, element("h2", "", row.title), element("p", "quiet", (facts?.tags ?? []).join(" · ")), buttons(product, row));
  const list = element("ol", "next");
  list.append(...next.items.map((one) => clip(product, one, about.get(one.item), "small")));
  side.append(element("h2", "", "Up next"), list);
  page.append(main, side);
  present?.end();
  product.body.replaceChildren(page);
  product.say(`Watching ${row.title}`);
  screen.scrollIntoView({ block: "center" });
}

function buttons(product, row) {
  const bar = element("div", "buttons");
  const answers = { like: ["Like", "You will see more like it."], dismiss: ["Not interested", "You will see less like it."] };
  for (const [kind, [label, said]] of Object.entries(answers)) {
    if (!product.can(kind)) continue;
    bar.append(product.button(label, "", async () => { await product.record(row, [kind]); product.say(said); }));
  }
  bar.append(product.button("Back to the feed", "", product.show));
  return bar;
}
