// The person picker, the keys of the tabs, and the styles of a report.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pickPerson, visitorId } from "../../src/shortlist/serve/page/person_picker.js";
import { splitStyles } from "../../src/shortlist/serve/page/report.js";
import { targetOf } from "../../src/shortlist/serve/page/tabs.js";

class Node {
  constructor() { this.children = []; this.listeners = {}; this.value = ""; }

  append(...nodes) { this.children.push(...nodes); }

  addEventListener(name, run) { this.listeners[name] = run; }
}

function picker(people) {
  globalThis.document = { createElement: () => new Node() };
  const select = new Node(), visitorButton = new Node(), chosen = [];
  const first = pickPerson({ select, visitorButton }, people, (...choice) => chosen.push(choice));
  return { select, visitorButton, chosen, first };
}

test("the first person is chosen, and a choice is reported with the id's own type", () => {
  const { select, chosen, first } = picker([{ user: 7, events: 3 }, { user: "7", events: 1 }]);
  assert.equal(first, 7);
  assert.deepEqual(select.children.map((node) => node.textContent), ["7 (3 events)", "7 (1 events)"]);
  select.value = 1;
  select.listeners.change();
  assert.deepEqual(chosen, [["7", false]]);
});

test("without people there is a visitor", () => {
  assert.equal(picker([]).first, "visitor");
});

test("each visitor is a new one", () => {
  const { visitorButton, chosen } = picker([]);
  visitorButton.listeners.click();
  assert.match(chosen[0][0], /^visitor-[0-9a-z]+$/);
  assert.equal(chosen[0][1], true);
  assert.equal(visitorId(35), "visitor-z");
});

test("arrow keys move around, other keys do not", () => {
  assert.equal(targetOf("ArrowRight", 2, 3), 0);
  assert.equal(targetOf("ArrowLeft", 0, 3), 2);
  assert.equal(targetOf("Home", 2, 3), 0);
  assert.equal(targetOf("End", 0, 3), 2);
  assert.equal(targetOf("a", 0, 3), null);
});

test("the styles of a report are taken out and scoped", () => {
  const { text, rules } = splitStyles("<head><style>:root{--a:1} body{margin:2rem} .body{x:y}</style></head><body>Hi</body>");
  assert.equal(text, "<head></head><body>Hi</body>");
  assert.ok(rules.startsWith(":host{--a:1} .whole{margin:2rem} .body{x:y}"));
});
