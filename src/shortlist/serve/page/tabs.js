"use strict";
// Tabs: arrow keys move between them, the address remembers the one that is open. A view loads when it is first shown.
const views = { try: () => {}, quality: () => report("quality", "/v1/admin/report"), experiments: () => report("experiments", "/v1/admin/experiments") };
let tabs = [...document.querySelectorAll("#tabs [role=tab]:not([hidden])")];

function open(name, focus) {
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen && focus) tab.focus();
  }
  state.view = name;
  history.replaceState(null, "", name === "try" ? location.pathname : `#${name}`);
  views[name]();
}

for (const tab of document.querySelectorAll("#tabs [role=tab]")) {
  tab.addEventListener("click", () => open(tab.getAttribute("aria-controls"), false));
  tab.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    open(tabs[(to + tabs.length) % tabs.length].getAttribute("aria-controls"), true);
  });
}

// A report is a whole page of its own; its body and its style go into a shadow root, where they meet nothing else.
async function report(name, path) {
  const note = $(`${name}-note`), place = $(`${name}-report`);
  try {
    const found = await call(path);
    note.textContent = found.note;
    const root = place.shadowRoot || place.attachShadow({ mode: "open" });
    root.replaceChildren();
    if (!found.html) return;
    // taken out before it is parsed: the page's policy lets no inline style in
    let style = "";
    const text = found.html.replace(/<style>([\s\S]*?)<\/style>/g, (_, rules) => { style += rules; return ""; });
    const page = new DOMParser().parseFromString(text, "text/html");
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style.replaceAll(":root", ":host").replace(/(^|[\s},])body(?=[\s{,])/g, "$1.whole") + ".whole{background:none!important;margin:0!important;padding:0!important;max-width:none!important}");
    root.adoptedStyleSheets = [sheet];
    const whole = element("div", "whole");
    for (const node of [...page.body.children]) if (node.tagName !== "SCRIPT") whole.append(document.adoptNode(node));
    root.append(whole);
  } catch (error) { note.textContent = error.message; }
}
