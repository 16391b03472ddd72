// A report is a whole page of its own. Its body and style go into a shadow root, apart from this page's style.
import { call } from "./api.js";
import { $, element } from "./dom.js";

// Separate the style rules of a page: the content security policy forbids inline styles, so they must not be parsed.
export function splitStyles(html) {
  let rules = "";
  const text = html.replace(/<style>([\s\S]*?)<\/style>/g, (_, found) => { rules += found; return ""; });
  const scoped = rules.replaceAll(":root", ":host").replace(/(^|[\s},])body(?=[\s{,])/g, "$1.whole");
  const reset = ".whole{background:none!important;margin:0!important;padding:0!important;max-width:none!important}";
  return { text, rules: scoped + reset };
}

// A command or settings to copy, below the note.
function showExample(note, example) {
  note.parentNode.querySelector("pre")?.remove();
  if (!example) return;
  const code = element("pre", "card", example.trim());
  code.tabIndex = 0;
  note.after(code);
}

export async function showReport(name, path) {
  const note = $(`${name}-note`), place = $(`${name}-report`);
  try {
    const found = await call(path);
    note.textContent = found.note;
    showExample(note, found.example);
    const root = place.shadowRoot || place.attachShadow({ mode: "open" });
    root.replaceChildren();
    if (!found.html) return;
    const { text, rules } = splitStyles(found.html);
    const page = new DOMParser().parseFromString(text, "text/html");
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules);
    root.adoptedStyleSheets = [sheet];
    const whole = element("div", "whole");
    for (const node of [...page.body.children]) if (node.tagName !== "SCRIPT") whole.append(document.adoptNode(node));
    root.append(whole);
  } catch (error) { note.textContent = error.message; }
}
