// The tab "Live": measurements of the server, read every two seconds while the tab is open.
import { call } from "./api.js";
import { meters, sparkline, table } from "./charts.js";
import { $, element } from "./dom.js";

const INTERVAL = 2000;
const NO_SLATE = "No slate yet: choose a person in another tab, or send requests to POST /v1/recommend.";

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
  $("live-note").dataset.state = now.state;
  $("live-tiles").replaceChildren(...Object.entries(now.tiles).map(([name, value]) => {
    const tile = element("div", "tile");
    tile.append(element("b", "", value), element("span", "quiet", name));
    return tile;
  }));
  sparkline($("live-requests"), now.requests, "requests");
  sparkline($("live-events"), now.events, "events");
  meters($("live-stages"), now.stages, (value) => `${Number(value.toPrecision(3))} ms`, { empty: NO_SLATE });
  meters($("live-sources"), now.sources, (value) => `${(100 * value).toFixed(0)} %`, { end: 1, empty: NO_SLATE });
  table($("live-models"), ["model", "trained", "role", "reason"], now.models);
  table($("live-drift"), ["feature", "stability index", "meaning"], now.drift, "Measured a minute after the start, and then once a minute.");
}
