// Numbers and texts for people.
import assert from "node:assert/strict";
import { test } from "node:test";
import { countOf } from "../../src/shortlist/serve/page/catalogue.js";
import { clock, coverClass, initials, money, prediction, shown } from "../../src/shortlist/serve/page/format.js";

test("predictions: percent, seconds, minutes", () => {
  assert.equal(prediction(0.052, "probability"), "5.2 %");
  assert.equal(prediction(0.25, "probability"), "25 %");
  assert.equal(prediction(3.14, "mean"), "3.1");
  assert.equal(prediction(42, "mean"), "42");
  assert.equal(prediction(5400, "mean"), "90 min");
});

test("a clock carries rounded seconds over", () => {
  assert.equal(clock(65), "1:05");
  assert.equal(clock(59.6), "1:00");
  assert.equal(clock(0), "0:00");
});

test("money: empty where a price is unknown", () => {
  assert.equal(money(undefined), "");
  assert.equal(money(null), "");
  assert.match(money(12.5), /12\.50/);
});

test("a title has one of six covers, always the same", () => {
  assert.match(coverClass("The Winter Island"), /^c[0-5]$/);
  assert.equal(coverClass("é"), coverClass("é"));
  assert.equal(initials("Photo Editor Pro"), "PE");
});

test("values of an item", () => {
  assert.equal(shown(["Drama", "Crime"]), "Drama, Crime");
  assert.equal(shown(null), "not known");
  assert.equal(shown(0), "0");
});

test("the count of a search", () => {
  assert.equal(countOf(50, 1234), "the first 50 of 1,234");
  assert.equal(countOf(3, 3), "3 items");
});
