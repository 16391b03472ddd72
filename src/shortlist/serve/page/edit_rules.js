// The editor of rules of the tab "Settings", of the project and of its placements.
import { element } from "./dom.js";
import { BoxList, choice, labelled, line, textsOf } from "./edit_fields.js";
import { readRule, words } from "./edit_values.js";
import { suggestItems } from "./item_search.js";

const ACTIONS = ["boost", "bury", "hide", "pin"];
const BOOST = { name: "", when: "", action: "boost", amount: 0.2, slot: 0 };
const PIN = { ...BOOST, when: 'id = ""', action: "pin" };
const EXAMPLE = "price < 20 and genres in [\"Comedy\"]";

export class RuleList extends BoxList {
  constructor(changed) { super(changed, { "Add a rule": BOOST, "Pin an item": PIN }); }

  // The rules as the server takes them.
  get values() { return this.boxes.map((box) => readRule(textsOf(box))); }

  // Add a rule as a group of inputs; its price is shown in its `output`.
  add(rule, focus = false) {
    const top = element("div", "row named"), name = line("text", rule.name, "name"), action = choice(ACTIONS, rule.action, "action", words);
    const amount = labelled("Amount", line("text", rule.amount, "amount")), slot = labelled("Slot", line("number", rule.slot, "slot"));
    const item = element("div"), when = line("text", typeof rule.when === "string" ? rule.when : JSON.stringify(rule.when), "when", EXAMPLE);
    top.append(labelled("Name", name), labelled("Action", action), amount, slot);
    const fit = () => {
      amount.hidden = !["boost", "bury"].includes(action.value);
      item.hidden = slot.hidden = action.value !== "pin";
      return name.value.trim() || "New rule";
    };
    item.append(...pinned(name, when));
    this.append([top, item, labelled("Items that", when), element("output", "quiet")], fit, focus);
  }

  // Show what each rule costs, as `sentence` says it of a part of the settings.
  showCosts(sentence) {
    for (const box of this.boxes) box.querySelector("output").textContent = sentence(`rule: ${textsOf(box).name}`);
  }
}

// An input that finds the item of a pin, and the list of what it finds. The condition of the rule names the item that is chosen.
function pinned(name, when) {
  const search = line("search", "", "", "title or id"), list = element("ol", "suggested"), label = labelled("Find the item", search);
  delete search.dataset.field;
  list.setAttribute("aria-label", "Items found");
  search.addEventListener("input", (event) => event.stopPropagation());  // a search changes no setting
  search.addEventListener("keydown", (event) => {  // Enter takes the first item, and proposes nothing
    if (event.key !== "Enter") return;
    event.preventDefault();
    list.querySelector("button")?.click();
  });
  suggestItems(search, list, (row) => {
    when.value = `id = ${JSON.stringify(String(row.item))}`;
    if (!name.value.trim()) name.value = row.title;
    when.dispatchEvent(new Event("input", { bubbles: true }));
  }, (message) => list.replaceChildren(element("li", "quiet", message)));
  return [label, list];
}
