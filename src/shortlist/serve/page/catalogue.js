"use strict";
// Catalogue: search, and all that is known of one item.
views.catalogue = () => { if (!$("found").children.length) search(); };

async function search() {
  const turn = state.search = (state.search || 0) + 1;
  try {
    const answer = await call(`/v1/items?q=${encodeURIComponent($("search").value)}&n=50`);
    if (turn !== state.search) return;
    const all = answer.total.toLocaleString("en");
    $("search-note").textContent = answer.items.length < answer.total ? `the first ${answer.items.length} of ${all}` : `${all} items`;
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
    const [known, like] = await Promise.all([call(`/v1/items/${encodeURIComponent(id)}`), call(`/v1/items/${encodeURIComponent(id)}/similar?n=12`)]);
    const near = element("div", "neighbours");
    near.append(...like.items.map((row) => {
      const button = element("button", "", row.title);
      button.type = "button";
      button.addEventListener("click", () => show(row.item));
      return button;
    }));
    const parts = [["What it is", known.attributes], ["What happened to it", known.counts], ["What the ranker sees, for a new visitor", known.features]];
    place.replaceChildren(element("h3", "", `${known.title} (${known.item})${known.retired ? ": retired" : ""}`));
    for (const [title, values] of parts) {
      const box = element("div");
      place.append(element("h4", "", title), box);
      table(box, ["", ""], Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value === null ? "not known" : String(value)]));
    }
    place.append(element("h4", "", "Its neighbours"), like.items.length ? near : element("p", "quiet", "none yet: nobody took it with others"));
  } catch (error) { place.replaceChildren(element("p", "", error.message)); }
}

$("search").addEventListener("input", () => { clearTimeout(state.wait); state.wait = setTimeout(search, 150); });
if (location.hash && $(location.hash.slice(1)) && views[location.hash.slice(1)]) open(location.hash.slice(1), false);
