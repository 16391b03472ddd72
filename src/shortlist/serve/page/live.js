"use strict";
// Live: looked at every two seconds while the tab is open.
views.live = look;

async function look() {
  clearTimeout(state.timer);
  try {
    const now = await call("/v1/admin/live");
    $("live-note").textContent = now.note;
    $("live-tiles").replaceChildren(...Object.entries(now.tiles).map(([name, value]) => {
      const tile = element("div", "tile");
      tile.append(element("b", "", value), element("span", "quiet", name));
      return tile;
    }));
    spark($("live-requests"), now.requests, "requests");
    spark($("live-events"), now.events, "events");
    meters($("live-stages"), now.stages, (v) => `${v.toFixed(2)} ms`);
    meters($("live-sources"), now.sources, (v) => `${(100 * v).toFixed(0)} %`);
    table($("live-models"), ["model", "trained", "", "why not"], now.models);
    table($("live-drift"), ["feature", "stability index", "", ], now.drift);
  } catch (error) { $("live-note").textContent = error.message; }
  if (state.view === "live") state.timer = setTimeout(look, 2000);
}

function drawing(name, width, height, attributes) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", name);
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  return svg;
}

function rect(svg, x, y, width, height, name) {
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries({ x, y, width, height, class: name })) bar.setAttribute(key, value);
  svg.append(bar);
}

function spark(place, values, what) {
  const most = Math.max(...values, 1), now = values[values.length - 1];
  const svg = drawing("spark", values.length, 40, { role: "img", "aria-label": `${what} a second: now ${now}, at most ${most}` });
  values.forEach((value, at) => rect(svg, at + 0.1, 40 - (40 * value) / most, 0.8, (40 * value) / most, "bar"));
  place.replaceChildren(svg, element("p", "quiet", `now ${now} · at most ${most}`));
}

function meters(place, values, say) {
  const most = Math.max(...Object.values(values), 1e-9);
  const body = element("table");
  for (const [name, value] of Object.entries(values)) {
    const line = element("tr"), cell = element("td");
    const svg = drawing("meter", 100, 8, { "aria-hidden": "true" });
    rect(svg, 0, 0, 100, 8, "rest");
    rect(svg, 0, 0, (100 * value) / most, 8, "bar");
    cell.append(svg);
    const head = element("th", "", name);
    head.scope = "row";
    line.append(head, cell, element("td", "n", say(value)));
    body.append(line);
  }
  place.replaceChildren(Object.keys(values).length ? body : element("p", "quiet", "nothing yet"));
}

function table(place, head, rows) {
  if (!rows.length) { place.replaceChildren(element("p", "quiet", "nothing yet")); return; }
  const body = element("table"), top = element("tr");
  for (const name of head) {
    const cell = element(name ? "th" : "td", "", name);
    if (name) cell.scope = "col";
    top.append(cell);
  }
  body.append(top, ...rows.map((row) => {
    const line = element("tr");
    line.append(...row.map((value) => element("td", "", value)));
    return line;
  }));
  place.replaceChildren(body);
}
