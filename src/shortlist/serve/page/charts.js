// Bars, meters and tables.
import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

function drawing(name, width, height, attributes) {
  const svg = document.createElementNS(SVG, "svg");
  const all = { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: name, ...attributes };
  for (const [key, value] of Object.entries(all)) svg.setAttribute(key, value);
  return svg;
}

function rectangle(svg, x, y, width, height, name) {
  const bar = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ x, y, width, height, class: name })) bar.setAttribute(key, value);
  svg.append(bar);
}

// A bar a second.
export function sparkline(place, values, what) {
  const most = Math.max(...values, 1), now = values[values.length - 1];
  const svg = drawing("spark", values.length, 40, { role: "img", "aria-label": `${what} a second: now ${now}, at most ${most}` });
  values.forEach((value, at) => rectangle(svg, at + 0.1, 40 - (40 * value) / most, 0.8, (40 * value) / most, "bar"));
  place.replaceChildren(svg, element("p", "quiet", `now ${now} · at most ${most}`));
}

// A meter for each name, relative to the largest value.
export function meters(place, values, format) {
  const most = Math.max(...Object.values(values), 1e-9);
  const body = element("table");
  for (const [name, value] of Object.entries(values)) {
    const line = element("tr"), cell = element("td");
    const svg = drawing("meter", 100, 8, { "aria-hidden": "true" });
    rectangle(svg, 0, 0, 100, 8, "rest");
    rectangle(svg, 0, 0, (100 * value) / most, 8, "bar");
    cell.append(svg);
    const head = element("th", "", name);
    head.scope = "row";
    line.append(head, cell, element("td", "n", format(value)));
    body.append(line);
  }
  place.replaceChildren(Object.keys(values).length ? body : element("p", "quiet", "nothing yet"));
}

export function table(place, head, rows) {
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
