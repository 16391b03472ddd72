// Bodies of requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf, feedRequest, similarRequest, slateRequest, usualContext, viewRequest } from "../../src/shortlist/serve/page/requests.js";

test("a slate request has weights and strengths", () => {
  const settings = { weights: { play: 2 }, diversity: 0.5, freshness: 1 };
  assert.deepEqual(slateRequest("u1", {}, settings), { user: "u1", n: 12, weights: { play: 2 }, diversity: 0.5, freshness: 1 });
  assert.deepEqual(slateRequest("u1", { device: "tv" }, settings).context, { device: "tv" });
  assert.deepEqual(slateRequest("u1", {}, { placement: "home", ...settings }), { user: "u1", placement: "home", weights: { play: 2 }, diversity: 0.5, freshness: 1 });
  assert.deepEqual(slateRequest("u1", {}, { placement: "", ...settings }).n, 12);
  assert.deepEqual(usualContext({ device: ["phone", "tv"], daytime: [] }), { device: "phone" });
});

test("a view sends a context only where there is one", () => {
  assert.deepEqual(viewRequest("u1", {}, { n: 8 }), { user: "u1", n: 8 });
  assert.deepEqual(viewRequest("u1", { device: "tv" }, {}), { user: "u1", context: { device: "tv" } });
});

test("events: actions that the log has no kind for are left out, values and slates are sent where given", () => {
  const viewer = { user: "u1", context: { device: "tv" }, actions: { click: "view_item", watch: "watch" } };
  assert.deepEqual(eventsOf(viewer, { item: "i1", slate_id: "s1" }, [["click"], ["watch", 30], ["like"]]), [
    { user: "u1", item: "i1", kind: "view_item", slate_id: "s1", context: { device: "tv" } },
    { user: "u1", item: "i1", kind: "watch", value: 30, slate_id: "s1", context: { device: "tv" } },
  ]);
  const buyer = { user: "u1", context: {}, actions: { click: "event", buy: "event" } };
  assert.deepEqual(eventsOf(buyer, { item: "i1" }, [["click", null]]), [{ user: "u1", item: "i1", kind: "event" }]);
  assert.deepEqual(eventsOf(buyer, { item: "i1" }, [["click"], ["buy", 2]]), [{ user: "u1", item: "i1", kind: "event", value: 2 }]);
});

test("the next part of a feed excludes what is shown", () => {
  assert.deepEqual(feedRequest([]), { n: 8 });
  assert.deepEqual(feedRequest(["a", 7]), { n: 8, filters: { items: { none: ["a", 7] } } });
});

test("similar items: a source is named where the project has it", () => {
  assert.deepEqual(similarRequest(8, "together", ["als", "together"]), { n: 8, by: "together" });
  assert.deepEqual(similarRequest(8, "together", ["als"]), { n: 8 });
});
