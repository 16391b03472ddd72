// Shelves and scales.
import assert from "node:assert/strict";
import { test } from "node:test";
import { scaleEnd } from "../../src/shortlist/serve/page/charts.js";
import { moreOf, stepTo } from "../../src/shortlist/serve/page/shelf.js";

test("an arrow moves a shelf by a page, and not beyond its ends", () => {
  assert.equal(stepTo(0, 400, 1000, true), 400);
  assert.equal(stepTo(400, 400, 1000, true), 600);
  assert.equal(stepTo(600, 400, 1000, false), 200);
  assert.equal(stepTo(200, 400, 1000, false), 0);
  assert.equal(stepTo(0, 400, 300, true), 0);
});

test("a shelf tells on which sides there is more", () => {
  assert.deepEqual(moreOf(0, 400, 1000), { left: false, right: true });
  assert.deepEqual(moreOf(300, 400, 1000), { left: true, right: true });
  assert.deepEqual(moreOf(600, 400, 1000), { left: true, right: false });
  assert.deepEqual(moreOf(0, 400, 400), { left: false, right: false });
});

test("a scale ends at a round number above all values", () => {
  assert.deepEqual([0, 0.7, 1, 1.2, 3, 50, 51, 0.013].map(scaleEnd), [1, 1, 1, 2, 5, 50, 100, 0.02]);
});
