"use strict";
// An endless feed, and a video with what comes next.
let feed = { shown: [], list: null, end: null, busy: false };
// The observer speaks only when the end comes into sight or leaves it. An end that is still in sight
// after more was added (a tall screen, a fast wheel) says nothing: so it is asked anew each time.
const endOfFeed = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(feed).catch((error) => say(error.message)); }, { rootMargin: "300px" });

function clock(seconds) { return `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`; }

function clip(row, facts, slate, name = "") {
  const item = element("li", `clip ${name}`);
  const button = element("button");
  button.type = "button";
  button.dataset.item = row.item;
  button.setAttribute("aria-label", `Watch ${row.title}`);
  const art = cover(row.title, "wide");
  if (facts && facts.facts.length) art.append(element("span", "time", clock(facts.facts.length)));
  button.append(art, element("b", "", row.title), element("span", "quiet", [facts && facts.facts.channel, row.reason].filter(Boolean).join(" · ")));
  button.addEventListener("click", () => watch(row, facts, slate).catch((error) => say(error.message)));
  item.append(button);
  return item;
}

async function more(here) {
  if (here.busy || here !== feed || !here.list.isConnected) return;
  here.busy = true;
  endOfFeed.unobserve(here.end);
  try {
    const filters = here.shown.length ? { filters: { items: { none: here.shown } } } : {};
    const slate = await call("/v1/recommend", asking({ n: 8, ...filters }));
    const facts = await factsOf(slate.items);
    here.shown.push(...slate.items.map((row) => row.item));
    here.list.append(...slate.items.map((row) => clip(row, facts.get(row.item), slate.slate_id)));
    if (slate.items.length && here.shown.length <= 150) endOfFeed.observe(here.end);
  } catch (error) {
    setTimeout(() => { if (here === feed) endOfFeed.observe(here.end); }, 3000);
    throw error;
  } finally { here.busy = false; }
}

looks.feed = async (body) => {
  endOfFeed.disconnect();
  feed = { shown: [], list: element("ol", "feed"), end: element("div", "end"), busy: false };
  body.replaceChildren(feed.list, feed.end);
  await more(feed);
};

async function watch(row, facts, slate) {
  const length = facts && facts.facts.length ? facts.facts.length : 60;
  await did(row.item, slate, ["click"], ["watch", length]);
  const next = await call("/v1/recommend", asking({ n: 6, after: row.item }));
  const about = await factsOf(next.items);
  const page = element("div", "watching");
  const main = element("section");
  const screen = cover(row.title, "screen");
  screen.append(element("span", "", "▶"));
  const bar = element("div", "buttons");
  const tell = (label, kind, said) => action(label, "", async () => { await did(row.item, slate, [kind]); say(said); });
  if (state.project.kinds.includes("like")) bar.append(tell("Like", "like", "You will see more like it."));
  if (state.project.kinds.includes("dismiss")) bar.append(tell("Not interested", "dismiss", "You will see less like it."));
  bar.append(action("Back to the feed", "", showProduct));
  main.append(screen, element("h2", "", row.title), element("p", "quiet", (facts ? facts.tags : []).join(" · ")), bar);
  const side = element("section");
  const list = element("ol", "next");
  list.append(...next.items.map((one) => clip(one, about.get(one.item), next.slate_id, "small")));
  side.append(element("h2", "", "Up next"), list);
  page.append(main, side);
  $("product-body").replaceChildren(page);
  say(`Watching ${row.title}`);
  screen.scrollIntoView({ block: "center" });
}
