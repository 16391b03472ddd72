// Inputs of the tab "Settings", and errors of the server under the input that they are about.
import { actionButton, element, option } from "./dom.js";
import { faultOf } from "./edit_values.js";

// An input of a form; `field` is the name of its setting.
export function line(type, value, field, placeholder = "") {
  const node = element("input");
  Object.assign(node, { type, value: value ?? "", placeholder, autocomplete: "off" });
  if (type === "number") node.step = "any";
  if (type === "text") node.spellcheck = false;
  node.dataset.field = field;
  return node;
}

// A choice between names, each with the words that are shown.
export function choice(names, chosen, field, shown = (name) => name) {
  const node = element("select");
  node.append(...names.map((name) => option(shown(name), name)));
  node.value = chosen;
  node.dataset.field = field;
  return node;
}

export function labelled(text, node) {
  const label = element("label", "", text);
  label.append(node);
  return label;
}

// The texts of the inputs of a box, without those of boxes inside it: setting → text.
export function textsOf(box) {
  const own = [...box.querySelectorAll("[data-field]")].filter((node) => node.closest(".rule") === box);
  return Object.fromEntries(own.map((node) => [node.dataset.field, node.value]));
}

// Show an error under its input. For an expression, a mark stands below the place that is wrong.
export function showFault(input, message) {
  const { sentence, column } = faultOf(message), box = element("div", "fault-at");
  box.id = `fault-${input.dataset.field}-${document.querySelectorAll(".fault-at").length}`;
  box.setAttribute("role", "alert");
  if (column && column <= input.value.length + 1) box.append(place(input.value, column));
  box.append(element("p", "", sentence));
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", [box.id, input.dataset.hint].filter(Boolean).join(" "));
  for (let parent = input.parentElement; parent; parent = parent.parentElement) if (parent.tagName === "DETAILS") parent.open = true;
  (input.closest("label") ?? input).after(box);
}

// The text of an expression with its wrong place marked; the rest of a long one is left out.
function place(text, column) {
  const start = column - 1, wrong = text.slice(start).match(/^[\w.]+/)?.[0] ?? (text[start] || " ");
  const from = Math.max(0, start - 25), end = start + wrong.length, found = element("code");
  found.append(`${from ? "…" : ""}${text.slice(from, start)}`, element("mark", "", wrong), text.slice(end, end + 25) + (text.length > end + 25 ? "…" : ""));
  return found;
}

export function clearFaults() {
  for (const box of document.querySelectorAll(".fault-at")) box.remove();
  for (const input of document.querySelectorAll("#edits-form [aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    if (input.dataset.hint) input.setAttribute("aria-describedby", input.dataset.hint);
    else input.removeAttribute("aria-describedby");
  }
}

// A list of boxes of inputs, with buttons that add one; `changed` is called when one is removed.
export class BoxList {
  constructor(changed, adding) {
    this.changed = changed;
    this.node = element("div", "boxes");
    this.list = element("div", "box-list");
    const buttons = element("div", "buttons");
    buttons.append(...Object.entries(adding).map(([label, given]) => actionButton(label, "", () => this.add(given, true), () => {})));
    this.node.append(this.list, buttons);
  }

  get boxes() { return [...this.list.children]; }

  show(all) {
    this.list.replaceChildren();
    for (const one of all) this.add(one);
  }

  // Add a box with these parts. `fit` returns its title, and hides what does not apply.
  append(parts, fit, focus) {
    const box = element("fieldset", "rule"), title = element("legend");
    const remove = actionButton("Remove", "quiet", () => { box.remove(); this.changed(); }, () => {});
    box.append(title, ...parts, remove);
    const fresh = () => {
      title.textContent = fit();
      remove.setAttribute("aria-label", `Remove ${title.textContent}`);
    };
    box.addEventListener("input", fresh);
    fresh();
    this.list.append(box);
    if (focus) box.querySelector("[data-field]").focus();
  }
}
