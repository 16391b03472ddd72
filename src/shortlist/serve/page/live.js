// The tab "Live": measurements of the server, read every two seconds while the tab is open.
import { call } from "./api.js";
import { meters, sparkline, table } from "./charts.js";
import { $, element } from "./dom.js";

const INTERVAL = 2000;

// Returns the view; `isOpen` tells whether the tab is still open.
export function liveView(isOpen) {
  let timer = null;
  return async function show() {
    clearTimeout(timer);
    try { draw(await call("/v1/admin/live")); } catch (error) { $("live-note").textContent = error.message; }
    if (isOpen()) timer = setTimeout(show, INTERVAL);
  };
}

function draw(now) {
  $("live-note").textContent = now.note;
  $("live-tiles").replaceChildren(...Object.entries(now.tiles).map(([name, value]) => {
    const tile = element("div", "tile");
    tile.append(element("b", "", value), element("span", "quiet", name));
    return tile;
  }));
  sparkline($("live-requests"), now.requests, "requests");
  sparkline($("live-events"), now.events, "events");
  meters($("live-stages"), now.stages, (value) => `${value.toFixed(2)} ms`);
  meters($("live-sources"), now.sources, (value) => `${(100 * value).toFixed(0)} %`);
  table($("live-models"), ["model", "trained", "", "reason"], now.models);
  table($("live-drift"), ["feature", "stability index", ""], now.drift);
}
