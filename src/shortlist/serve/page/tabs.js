// Tabs: arrow keys move between them, and the address remembers the open one. A view is drawn when it is opened.

// The tab that a key leads to, or null if the key does not move.
export function targetOf(key, at, count) {
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : (to + count) % count;
}

export class Tabs {
  // `list`: the element with role tablist. `views`: panel id → function that draws it.
  constructor(list, views) {
    this.list = list;
    this.views = views;
    this.current = null;
    for (const tab of list.querySelectorAll("[role=tab]")) {
      tab.addEventListener("click", () => this.open(tab.getAttribute("aria-controls")));
      tab.addEventListener("keydown", (event) => this.move(event, tab));
    }
  }

  get visible() {
    return [...this.list.querySelectorAll("[role=tab]:not([hidden])")];
  }

  move(event, tab) {
    const tabs = this.visible;
    const to = targetOf(event.key, tabs.indexOf(tab), tabs.length);
    if (to === null) return;
    event.preventDefault();
    this.open(tabs[to].getAttribute("aria-controls"), true);
  }

  open(name, focus = false) {
    for (const tab of this.visible) {
      const chosen = tab.getAttribute("aria-controls") === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
      if (chosen && focus) tab.focus();
    }
    this.current = name;
    history.replaceState(null, "", name === "try" ? location.pathname : `#${name}`);
    this.views[name]();
  }

  // Show a tab that was hidden, under a name of its own.
  reveal(name, label, view) {
    const tab = this.list.querySelector(`[aria-controls=${name}]`);
    tab.textContent = label;
    tab.hidden = false;
    this.views[name] = view;
  }
}
