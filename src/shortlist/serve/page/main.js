// The page: its tabs, and what each of them shows.
import { keyName, loadProject, onKeyNeeded } from "./api.js";
import { catalogueView } from "./catalogue.js";
import { $ } from "./dom.js";
import { liveView } from "./live.js";
import { startProduct } from "./product.js";
import { showReport } from "./report.js";
import { Tabs } from "./tabs.js";
import { showError, startTryIt } from "./try_it.js";
import { feedView } from "./view_feed.js";
import { iconView, posterView } from "./view_rows.js";
import { shopView } from "./view_shop.js";

const tabs = new Tabs($("tabs"), {
  try: () => {},
  quality: () => showReport("quality", "/v1/admin/report"),
  live: liveView(() => tabs.current === "live"),
  experiments: () => showReport("experiments", "/v1/admin/experiments"),
  catalogue: catalogueView(),
});

onKeyNeeded(() => { $("key-form").hidden = false; });
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(keyName(document.baseURI), $("key").value.trim());
  location.reload();
});

async function start() {
  const project = await loadProject();
  $("project").textContent = `${project.name} · ${project.items.toLocaleString("en")} items · ${project.events.toLocaleString("en")} events`;
  $("simulated").hidden = !project.simulated;
  $("version").textContent = project.model_version;
  const name = location.hash.slice(1);
  if (name in tabs.views) tabs.open(name);
  await Promise.all([startTryIt(), startProduct({ feed: feedView, rows: posterView, shelf: iconView, shop: shopView }, tabs)]);
}

start().catch((error) => showError(error.message));
