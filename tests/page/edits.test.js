// The tab "Settings": which settings are sent, and how changes are written.
import assert from "node:assert/strict";
import test from "node:test";
import { effectOf, layerOf, objectivesOf, percent, placementFields, readPlacement, readRule, words } from "../../src/shortlist/serve/page/edit_values.js";

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
  const settings = { n: 6, diversity: 0.4, filters: "minutes < 90", weights: { rating: 2 }, experiments: ["a"] };
  const fields = placementFields(settings);
  assert.deepEqual([fields.n, fields.freshness, fields.filters], ["6", "", "minutes < 90"]);
  assert.deepEqual(JSON.parse(fields.others), { weights: { rating: 2 }, experiments: ["a"] });
  assert.deepEqual(readPlacement(fields, "home"), settings);
  assert.deepEqual(readPlacement(placementFields({}), "home"), {});
  assert.deepEqual(readPlacement(placementFields({ filters: { genres: { none: ["War"] } } }), "x"), { filters: { genres: { none: ["War"] } } });
  assert.throws(() => readPlacement({ ...fields, others: "{" }, "home"), /^Error: placement home: /);
  assert.throws(() => readPlacement({ ...fields, others: "[]" }, "home"), /placement home: write settings as/);
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
