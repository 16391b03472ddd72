// Which item a text means.
import assert from "node:assert/strict";
import { test } from "node:test";
import { meantBy } from "../../src/shortlist/serve/page/why.js";

const items = [{ item: "7", title: "Pan, large" }, { item: "8", title: "Pan" }, { item: "pan", title: "Lid" }];

test("an id comes before a title, and both before the first item found", () => {
  assert.equal(meantBy(" PAN ", items), items[2]);
  assert.equal(meantBy("pan", items.slice(0, 2)), items[1]);
  assert.equal(meantBy("lar", items), items[0]);
  assert.equal(meantBy("8", items), items[1]);
  assert.equal(meantBy("none", []), null);
});
