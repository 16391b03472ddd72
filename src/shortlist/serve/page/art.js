// The picture of an item, or what stands for it: its initials on a colour of its own.
import { element } from "./dom.js";

const PATTERNS = 4;
const HUES = 235, FIRST_HUE = 150;  // from green by blue and red to orange: between, dark colours are muddy
const ARTICLES = new Set("a an the der die das ein eine le la les un une el los il lo gli o os as de het".split(" "));

// A whole number from 0 that belongs to a text; the same one each time (FNV-1a).
export function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const letter of String(text)) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
  return hash;
}

// Hue (0 to 359), pattern and tilt of the fallback of an item. Items of one category have hues near each other.
export function lookOf(item, category) {
  const own = hashOf(`item ${item}`);
  const hue = category ? hashOf(category) % HUES + own % 41 - 20 : own % HUES;
  return { hue: (FIRST_HUE + hue) % 360, pattern: (own >>> 4) % PATTERNS, tilt: (own >>> 11) % 180 };
}

// The first letters of the first two words that say something: `Der große Rucksack` → `GR`.
export function initials(title) {
  const words = String(title).match(/[\p{L}\p{N}]+/gu) ?? [];
  const telling = words.filter((word) => !ARTICLES.has(word.toLowerCase()));
  const letters = (telling.length ? telling : words).slice(0, 2).map((word) => [...word][0].toUpperCase());
  return letters.join("") || "·";
}

// The address of a picture that the content security policy allows, or null.
export function pictureOf(image, hosts, base = location.href) {
  if (!image) return null;
  let address;
  try { address = new URL(image, base); } catch { return null; }
  if (address.protocol === "data:") return /^data:image\//.test(image) ? address.href : null;
  const allowed = (host) => {
    const { protocol, host: name } = new URL(host.replace("://*.", "://"));
    const fits = host.includes("://*.") ? address.host.endsWith(`.${name}`) : address.host === name;
    return fits && (address.protocol === protocol || address.protocol === "https:");
  };
  return address.origin === new URL(base).origin || hosts.some(allowed) ? address.href : null;
}

// Why the picture of an item is not shown, as a sentence; "" where it is shown or there is none.
export function withheld(image, hosts, base = location.href) {
  if (!image || pictureOf(image, hosts, base)) return "";
  let origin = "null";
  try { ({ origin } = new URL(image, base)); } catch { /* no address */ }
  if (origin === "null") return "Its picture is not shown: the value is not the address of a picture.";
  return `Its picture is not shown: image_hosts of [page] in the project file does not name ${origin}.`;
}

// A picture in a frame. `about`: item, title, image and tags. `className`: the size of the frame.
export function art({ item, title, image, tags }, hosts, className = "") {
  const frame = element("span", `art ${className}`);
  const { hue, pattern, tilt } = lookOf(item, tags?.[0]);
  frame.style.setProperty("--hue", hue);
  frame.style.setProperty("--tilt", `${tilt}deg`);
  frame.classList.add(`p${pattern}`);
  for (const [name, text] of [["initials", initials(title)], ["kind", tags?.[0]]]) {
    if (!text) continue;
    const words = element("span", name, text);
    words.setAttribute("aria-hidden", "true");
    frame.append(words);
  }
  const address = pictureOf(image, hosts);
  if (address) frame.append(picture(address, title, frame));
  return frame;
}

// The initials stay below the picture until it is there, and for good where it cannot be loaded.
function picture(address, title, frame) {
  const image = element("img");
  Object.assign(image, { loading: "lazy", decoding: "async", alt: `Picture of ${title}`, referrerPolicy: "no-referrer" });
  image.addEventListener("load", () => frame.classList.add("pictured"));
  image.addEventListener("error", () => image.remove());
  image.src = address;
  return image;
}
