// The basket and what goes with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Basket, complementsOf } from "../../src/shortlist/serve/page/basket.js";

test("a basket holds each item once", () => {
  const basket = new Basket();
  basket.add("a", { title: "Pan" });
  basket.add("a", { title: "Pan" });
  basket.add("b", { title: "Lid", price: 2, currency: "EUR" });
  assert.equal(basket.size, 2);
  assert.deepEqual(basket.titles, ["Pan", "Lid"]);
  assert.deepEqual(basket.prices, [{ price: undefined, currency: undefined }, { price: 2, currency: "EUR" }]);
  basket.remove("a");
  basket.remove("x");
  assert.deepEqual(basket.titles, ["Lid"]);
  basket.clear();
  assert.equal(basket.size, 0);
});

test("complements: scores are summed over the basket's items, which are left out", () => {
  const lists = [
    [{ item: "c", score: 1 }, { item: "b", score: 9 }, { item: "d", score: 2 }],
    [{ item: "c", score: 3 }, { item: "a", score: 9 }],
  ];
  const found = complementsOf(new Map([["a", {}], ["b", {}]]), lists, 4);
  assert.deepEqual(found.map((row) => [row.item, row.score]), [["c", 4], ["d", 2]]);
  assert.equal(complementsOf(new Map(), lists, 1).length, 1);
  assert.equal(lists[0][0].score, 1, "the lists stay as they are");
});
