// A shelf: a row of tiles with a heading. Whole tiles fill its width; arrows, keys and fingers move it by pages.
import { element } from "./dom.js";

// Where a step of an arrow leads: to the next page of whole tiles. `at`, `page`, `width`: scroll position, visible and whole width.
export function stepTo(at, page, width, forward) {
  const to = forward ? at + page : at - page;
  return Math.max(0, Math.min(to, width - page));
}

// Whether there is more to the left and to the right.
export function moreOf(at, page, width) {
  return { left: at > 1, right: at + page < width - 1 };
}

export function shelf(title, tiles, className = "") {
  const row = element("section", `strip ${className}`), head = element("div", "strip-head"), list = element("ol", "tiles-row");
  list.tabIndex = 0;
  list.setAttribute("aria-label", title);
  list.append(...tiles);
  const arrows = { left: arrow("‹", "Back", false), right: arrow("›", "More", true) };
  function arrow(sign, label, forward) {
    const button = element("button", "arrow", sign);
    button.type = "button";
    button.setAttribute("aria-label", `${label}: ${title}`);
    button.addEventListener("click", () => {
      const gap = parseFloat(getComputedStyle(list).columnGap) || 0;
      list.scrollTo({ left: stepTo(list.scrollLeft, list.clientWidth + gap, list.scrollWidth + gap, forward), behavior: motion() });
    });
    return button;
  }
  const update = () => {
    const more = moreOf(list.scrollLeft, list.clientWidth, list.scrollWidth);
    for (const [side, button] of Object.entries(arrows)) button.setAttribute("aria-disabled", String(!more[side]));
    row.classList.toggle("whole", !more.left && !more.right);
  };
  list.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(list);
  head.append(element("h2", "", title), arrows.left, arrows.right);
  row.append(head, list);
  return row;
}

function motion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}
