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

// The end of a scale from 0: 1, 2 or 5 times a power of ten, so that bars keep their length while values change a little.
export function scaleEnd(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((end) => end >= most * (1 - 1e-9));
}

// A bar a second.
export function sparkline(place, values, what) {
  const end = scaleEnd(Math.max(...values, 1)), now = values[values.length - 1], most = Math.max(...values);
  const svg = drawing("spark", values.length, 40, { role: "img", "aria-label": `${what} a second: now ${now}, at most ${most}` });
  values.forEach((value, at) => rectangle(svg, at + 0.1, 40 - (40 * value) / end, 0.8, (40 * value) / end, "bar"));
  place.replaceChildren(svg, element("p", "quiet", `now ${now} · at most ${most} · scale 0 to ${end}`));
}

// A meter for each name, on a scale from 0 to `end` (default: the next round number above all values). `format`: a value as text.
export function meters(place, values, format, { end = scaleEnd(Math.max(...Object.values(values), 0)), empty = "nothing yet" } = {}) {
  const body = element("table", "meters");
  for (const [name, value] of Object.entries(values)) {
    const line = element("tr"), cell = element("td");
    const svg = drawing("meter", 100, 8, { "aria-hidden": "true" });
    rectangle(svg, 0, 0, 100, 8, "rest");
    rectangle(svg, 0, 0, Math.min((100 * value) / end, 100), 8, "bar");
    cell.append(svg);
    const head = element("th", "", name);
    head.scope = "row";
    line.append(head, cell, element("td", "n", format(value)));
    body.append(line);
  }
  place.replaceChildren(...(Object.keys(values).length ? [body, element("p", "quiet", `scale 0 to ${format(end)}`)] : [element("p", "quiet", empty)]));
}

export function table(place, head, rows, empty = "nothing yet") {
  if (!rows.length) { place.replaceChildren(element("p", "quiet", empty)); return; }
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
