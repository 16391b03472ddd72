// Numbers and texts for people.
import assert from "node:assert/strict";
import { test } from "node:test";
import { countOf } from "../../src/shortlist/serve/page/catalogue.js";
import { caption, clock, money, prediction, rounded, shown, total } from "../../src/shortlist/serve/page/format.js";

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

test("money: empty where a price is unknown, with any currency, and without one", () => {
  assert.equal(money(undefined, "EUR"), "");
  assert.equal(money(null), "");
  assert.equal(money(12.5, "EUR"), "€12.50");
  assert.equal(money(1234.5, "usd"), "$1,234.50");
  assert.equal(money(990, "JPY"), "¥990");
  assert.equal(money(12.5), "12.50");
  assert.equal(money(12, "points"), "12 points");
});

test("a total only of known prices in one currency", () => {
  assert.equal(total([{ price: 1.5, currency: "EUR" }, { price: 2, currency: "EUR" }]), "€3.50");
  assert.equal(total([{ price: 1.5, currency: "EUR" }, { price: 2, currency: "USD" }]), "");
  assert.equal(total([{ price: 1.5, currency: "EUR" }, { price: null, currency: "EUR" }]), "");
  assert.equal(total([]), "");
});

test("numbers are rounded; years stay as they are", () => {
  const shownAs = { 12.989999771118164: "12.99", 0.0123412: "0.01234", 131.9499: "131.95", 2019: "2019", 12345: "12,345", 1234.5678: "1,234.57", "-0.5": "-0.5", 0: "0" };
  for (const [value, text] of Object.entries(shownAs)) assert.equal(rounded(Number(value)), text);
  assert.equal(rounded(NaN), "");
});

test("values of an item; what is unknown is left out", () => {
  assert.equal(shown(["Drama", "Crime"]), "Drama, Crime");
  assert.equal(shown([0.123456, null]), "0.1235, –");
  assert.equal(shown(0), "0");
  for (const unknown of [null, undefined, "", []]) assert.equal(shown(unknown), null);
});

test("a tile says its reason only in rows whose heading is none", () => {
  assert.equal(caption("Because you bought Pan", { kind: "picks", title: "Picked for you" }), "Because you bought Pan");
  assert.equal(caption("Because you bought Pan", { kind: "because", title: "Because you bought Pan" }), "");
  assert.equal(caption("Popular right now", { kind: "trending", title: "Trending now" }), "");
});

test("the count of a search", () => {
  assert.equal(countOf(50, 1234), "the first 50 of 1,234");
  assert.equal(countOf(3, 3), "3 items");
});
