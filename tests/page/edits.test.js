// The tab "Settings": which settings are sent, and how changes are written.
import assert from "node:assert/strict";
import test from "node:test";
import { effectOf, faultOf, inputOf, layerOf, objectivesOf, percent, placementFields, readPlacement, readRow, readRule, words } from "../../src/shortlist/serve/page/edit_values.js";
import { changeLines, ruleWords } from "../../src/shortlist/serve/page/edit_words.js";

const bundle = { placements: { home: { n: 5 } }, weights: { play: 1, rating: 0.5 }, rerank: { diversity: 0, exposure_cap: null, rules: [] } };

test("only what differs from the bundle is sent", () => {
  assert.deepEqual(layerOf(structuredClone(bundle), bundle), {});
  const form = structuredClone(bundle);
  form.weights.rating = 2;
  form.rerank.rules.push({ name: "a" });
  assert.deepEqual(layerOf(form, bundle), { weights: { rating: 2 }, rerank: { rules: [{ name: "a" }] } });
  form.placements.home.diversity = 0.4;
  assert.deepEqual(layerOf(form, bundle).placements, { home: { n: 5, diversity: 0.4 } });
});

test("the order of fields does not count", () => {
  const form = structuredClone(bundle);
  bundle.placements.home = { n: 5, weights: { play: 1, rating: 2 } };
  form.placements.home = { weights: { rating: 2, play: 1 }, n: 5 };
  assert.deepEqual(layerOf(form, bundle), {});
  bundle.placements.home = { n: 5 };
});

test("a placement is written as inputs and read from them", () => {
  const rules = [{ name: "a", when: "minutes > 3", action: "hide", amount: 0.2, slot: 0 }], rows = [{ kind: "picks", title: "For you" }];
  const settings = { n: 6, diversity: 0.4, filters: "minutes < 90", weights: { rating: 2, "a.b": -1 }, at_least: { play: 0.1 }, combine: "product", experiments: ["a", "b"] };
  const fields = placementFields({ ...settings, rules, rows });
  assert.deepEqual([fields.n, fields.freshness, fields.filters, fields.combine, fields.experiments], ["6", "", "minutes < 90", "product", "a, b"]);
  assert.deepEqual([fields["weights.rating"], fields["weights.a.b"], fields["at_least.play"]], ["2", "-1", "0.1"]);
  assert.deepEqual(readPlacement(fields, rules, rows, "home"), { ...settings, rules, rows });
  assert.deepEqual(readPlacement(fields, [], [], "home"), settings);
  assert.deepEqual(readPlacement(placementFields({}), [], [], "home"), {});
  assert.deepEqual(readPlacement({ ...placementFields({}), name: "checkout", "weights.play": " " }, [], [], "checkout"), {});
  assert.deepEqual(readPlacement(placementFields({ filters: { genres: { none: ["War"] } } }), [], [], "x"), { filters: { genres: { none: ["War"] } } });
  assert.throws(() => readPlacement({ ...fields, filters: "{" }, [], [], "home"), /^Error: filters of placement home: /);
});

test("a row of a page is read from its inputs", () => {
  const given = { kind: "picks", most: "", of: "", title: "", filters: "", unit: "", window: "" };
  assert.deepEqual(readRow(given), { kind: "picks" });
  assert.deepEqual(readRow({ ...given, title: " Short ", filters: "minutes < 90", most: "2", of: "genres", unit: "60", window: "7d" }),
    { kind: "picks", most: 2, title: "Short", filters: "minutes < 90" });
  assert.deepEqual(readRow({ ...given, kind: "attribute", of: "genres", title: "no" }), { kind: "attribute", of: "genres" });
  assert.deepEqual(readRow({ ...given, kind: "continue", of: "minutes", unit: "60", window: "7d", most: "1" }), { kind: "continue", of: "minutes", unit: 60, window: "7d" });
});

test("an error has its input", () => {
  assert.deepEqual(inputOf("settings.placements.home.rules.2.when"), { kind: "placements", placement: "home", list: "rules", at: 2, field: "when" });
  assert.deepEqual(inputOf("settings.placements.home.rows.0.of"), { kind: "placements", placement: "home", list: "rows", at: 0, field: "of" });
  assert.deepEqual(inputOf("settings.placements.home.filters"), { kind: "placements", placement: "home", list: null, at: null, field: "filters" });
  assert.deepEqual(inputOf("settings.placements.home.weights.play"), { kind: "placements", placement: "home", list: null, at: null, field: "weights.play" });
  assert.deepEqual(inputOf("settings.rerank.rules.0.name"), { kind: "rerank", placement: null, list: "rules", at: 0, field: "name" });
  assert.deepEqual(inputOf("settings.weights.play"), { kind: "weights", placement: null, list: null, at: null, field: "play" });
  for (const none of [null, "", "settings", "note", "settings.placements", "settings.rerank.rules", "settings.other.a"]) assert.equal(inputOf(none), null);
});

test("the sentence of an error stands under its input without the name of the setting", () => {
  assert.deepEqual(faultOf("settings: placements.home.filters: column 7: there is no x"), { sentence: "There is no x", column: 7 });
  assert.deepEqual(faultOf("settings: rerank.rules.0.amount: a strength is above 0"), { sentence: "A strength is above 0", column: null });
  assert.deepEqual(faultOf("settings: rerank.rules.0.name: String should have at least 1 character"), { sentence: "This must not be empty", column: null });
  assert.deepEqual(faultOf("something else"), { sentence: "Something else", column: null });
});

test("a rule is read from its inputs", () => {
  const given = { name: " pin ", when: 'id = "m1"', action: "pin", amount: "3", slot: "2" };
  assert.deepEqual(readRule(given), { name: "pin", when: 'id = "m1"', action: "pin", amount: 0.2, slot: 2 });
  assert.deepEqual(readRule({ ...given, action: "boost", when: '{"year": {"min": 1990}}' }),
    { name: "pin", when: { year: { min: 1990 } }, action: "boost", amount: 3, slot: 0 });
  assert.equal(readRule({ ...given, action: "bury", amount: "minutes / 60" }).amount, "minutes / 60");
  assert.throws(() => readRule({ ...given, when: "{" }), /^Error: rule  pin : /);
});

test("shares and effects are written for people", () => {
  assert.deepEqual([0.0214, -0.3, 0, -0.0001].map((share) => percent(share)), ["+2.1 %", "-30.0 %", "0.0 %", "0.0 %"]);
  assert.match(effectOf({ changed: 0.25, price: { value: 0.031 } }), /^25\.0 % of the slates .* falls by 3\.1 %\.$/);
  assert.match(effectOf({ changed: 0, price: { value: 0.0001 } }), /is unchanged/);
  assert.equal(objectivesOf({ objectives: { play: { value: 0.02 }, rating: { value: -0.1 } } }), "Play +2.0 % · Rating -10.0 %");
  assert.equal(words("exposure_cap"), "Exposure cap");
});

test("a proposal is written as what it changes", () => {
  const pin = { name: "tonight", when: 'id = "m1"', action: "pin", amount: 0.2, slot: 2 }, hide = { name: "no war", when: { genres: { any: ["War"] } }, action: "hide", amount: 0.2, slot: 0 };
  const after = { weights: { rating: 2 }, rerank: { exposure_cap: 4, diversity: 0, rules: [pin] }, placements: { home: { n: 6 }, shop: { filters: "price < 3", weights: { rating: 2 }, rules: [hide] } } };
  assert.deepEqual(changeLines({}, after, bundle), [
    "Weight of Rating: 0.5 → 2",
    "Exposure cap: none → 4",
    'Rule added: tonight pins the item with id = "m1" to slot 2',
    "Placement changed: home, with 6 items",
    'Placement added: shop, with only items with price < 3; the weights Rating 2; the rules: no war hides items with {"genres":{"any":["War"]}}',
  ]);
  assert.deepEqual(changeLines(after, after, bundle), []);
  assert.deepEqual(changeLines(after, { rerank: { rules: [{ ...pin, slot: 3 }] } }, bundle), [
    "Weight of Rating: 2 → 0.5",
    "Exposure cap: 4 → none",
    'Rule changed: tonight pins the item with id = "m1" to slot 3',
    "Placement changed: home, with 5 items",
    "Placement removed: shop",
  ]);
  const two = { rerank: { rules: [pin, hide] } };
  assert.deepEqual(changeLines(two, { rerank: { rules: [hide, pin] } }, bundle), ["Rules in another order"]);
  assert.deepEqual(changeLines(two, {}, bundle), ["Rule removed: tonight", "Rule removed: no war"]);
  assert.equal(ruleWords({ ...pin, when: "minutes < 90" }), "pins the best of the items with minutes < 90 to slot 2");
  assert.equal(ruleWords({ ...hide, when: "minutes < 90", action: "bury", amount: "minutes / 60" }), "buries items with minutes < 90 by minutes / 60");
});
