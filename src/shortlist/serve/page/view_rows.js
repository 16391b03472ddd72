"use strict";
// Rows of posters (movies) and rows of icons with a button (apps): both are a page of rows.

function poster(row, line, facts) {
  const item = element("li", "poster");
  const button = element("button");
  button.type = "button";
  button.dataset.item = row.item;
  button.setAttribute("aria-label", `Play ${row.title}`);
  const art = cover(row.title, "tall");
  art.append(element("span", "", row.title));
  button.append(art, element("span", "quiet", line.kind === "continue" ? row.reason : (facts ? facts.tags.join(" · ") : "")));
  if (line.kind === "continue") {
    const bar = element("progress");
    Object.assign(bar, { max: 1, value: row.score });
    bar.setAttribute("aria-label", row.reason);
    button.append(bar);
  }
  button.addEventListener("click", async () => {
    const minutes = facts && facts.facts.minutes ? facts.facts.minutes : 90;
    try { await did(row.item, line.slate_id, ["play", Math.round(minutes * 60)]); } catch (error) { return say(error.message); }
    say(`Watched ${row.title}`);
    await showProduct();
  });
  item.append(button);
  return item;
}

function icon(row, line, facts) {
  const item = element("li", "icon");
  const art = cover(row.title, "square");
  art.append(element("span", "", row.title.split(" ").map((word) => word[0]).join("").slice(0, 2)));
  const about = facts ? [facts.tags[0], facts.facts.megabytes ? `${facts.facts.megabytes.toFixed(0)} MB` : ""].filter(Boolean).join(" · ") : "";
  const install = action("Install", "primary", async () => {
    await did(row.item, line.slate_id, ["install"]);
    say(`Installed ${row.title}`);
    await showProduct();
  });
  install.dataset.item = row.item;
  install.setAttribute("aria-label", `Install ${row.title}`);
  item.append(art, element("b", "", row.title), element("span", "quiet", about), install);
  return item;
}

async function pageOfRows(body, tile, n) {
  const page = await call("/v1/page", asking({ rows: 7, n }));
  const facts = await factsOf(page.rows.flatMap((line) => line.items));
  body.replaceChildren(...page.rows.map((line) => strip(line.title, line.items.map((row) => tile(row, line, facts.get(row.item))), line.kind)));
}

looks.rows = (body) => pageOfRows(body, poster, 10);
looks.shelf = (body) => pageOfRows(body, icon, 10);
