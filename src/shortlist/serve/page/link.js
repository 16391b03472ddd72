// Links to the pages of items elsewhere.
import { element } from "./dom.js";

// The address that a link leads to, or null: only http and https, so that no address can run a script.
export function linkOf(address) {
  let found;
  try { found = new URL(address); } catch { return null; }  // a relative one is no page of an item
  return ["http:", "https:"].includes(found.protocol) ? found.href : null;
}

// A heading with the title of an item, which leads to its page where it has one.
export function heading(tag, title, address) {
  const href = linkOf(address);
  if (href === null) return element(tag, "", title);
  const node = element(tag), link = element("a", "", title);
  Object.assign(link, { href, target: "_blank", rel: "noopener noreferrer" });
  node.append(link);
  return node;
}
