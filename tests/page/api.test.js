// Requests and errors of the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, address, call, once, onKeyNeeded, parseAnswer } from "../../src/shortlist/serve/page/api.js";

const answer = (status, text) => ({ status, text: async () => text });

test("an answer in JSON is returned", () => {
  assert.deepEqual(parseAnswer(200, '{"items": [1]}'), { items: [1] });
});

test("an error has the server's sentence, status and field", () => {
  assert.throws(() => parseAnswer(422, '{"error": "n must be a whole number", "field": "n"}'), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.message, "n must be a whole number");
    assert.deepEqual([error.status, error.field], [422, "n"]);
    return true;
  });
});

for (const text of ["Internal Server Error", "", "<html>502</html>"]) {
  test(`an answer that is no JSON is reported with its status: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseAnswer(500, text), /The server answered 500 without an explanation/);
  });
}

test("a success that is no JSON is an error, too", () => {
  assert.throws(() => parseAnswer(200, "<html></html>"), /answered 200/);
});

test("paths are relative to the page, so that a prefix is kept", () => {
  assert.equal(address("/v1/recommend"), "v1/recommend");
  assert.equal(new URL(address("/v1/recommend"), "https://shop.example/recs/").pathname, "/recs/v1/recommend");
});

test("a body is posted as JSON with the key", async () => {
  const sent = [];
  const send = async (path, options) => { sent.push([path, options]); return answer(200, "{}"); };
  await call("/v1/events", { events: [] }, { send, key: "sl_1" });
  const [path, options] = sent[0];
  assert.equal(path, "v1/events");
  assert.equal(options.method, "POST");
  assert.equal(options.headers.Authorization, "Bearer sl_1");
  assert.deepEqual(JSON.parse(options.body), { events: [] });
});

test("without a body and a key it is a plain GET", async () => {
  const sent = [];
  await call("/v1/project", undefined, { send: async (path, options) => { sent.push(options); return answer(200, "{}"); }, key: null });
  assert.deepEqual(sent[0], { headers: {} });
});

test("401 asks for a key", async () => {
  let asked = 0;
  onKeyNeeded(() => { asked += 1; });
  await assert.rejects(call("/v1/project", undefined, { send: async () => answer(401, '{"error": "a key is needed"}'), key: null }), /a key is needed/);
  assert.equal(asked, 1);
});

test("a server that cannot be reached is reported in a sentence", async () => {
  const send = async () => { throw new TypeError("Failed to fetch"); };
  await assert.rejects(call("/v1/project", undefined, { send, key: null }), /cannot be reached/);
});

test("once: callers share one load, and an error is tried again", async () => {
  let loads = 0;
  const load = once(async () => { loads += 1; if (loads === 1) throw new Error("first"); return loads; });
  await assert.rejects(load(), /first/);
  assert.deepEqual(await Promise.all([load(), load()]), [2, 2]);
  assert.equal(loads, 2);
});
