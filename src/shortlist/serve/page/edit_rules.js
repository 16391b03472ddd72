// The editor of rules of the tab "Settings", of the project and of its placements.
import { element } from "./dom.js";
import { BoxList, choice, labelled, line, textsOf } from "./edit_fields.js";
import { readRule, words } from "./edit_values.js";

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
    const when = line("text", typeof rule.when === "string" ? rule.when : JSON.stringify(rule.when), "when", EXAMPLE);
    top.append(labelled("Name", name), labelled("Action", action), amount, slot);
    const fit = () => {
      amount.hidden = !["boost", "bury"].includes(action.value);
      slot.hidden = action.value !== "pin";
      return name.value.trim() || "New rule";
    };
    this.append([top, labelled("Items that", when), element("output", "quiet")], fit, focus);
  }

  // Show what each rule costs, as `sentence` says it of a part of the settings.
  showCosts(sentence) {
    for (const box of this.boxes) box.querySelector("output").textContent = sentence(`rule: ${textsOf(box).name}`);
  }
}
