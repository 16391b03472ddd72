// The TypeScript client, as it is built: requests, errors, retries, slates.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, ShortlistClient, parseAnswer, visitorId } from "../../src/shortlist/serve/page/client/index.js";
import { secondsOf } from "../../src/shortlist/serve/page/client/errors.js";
import { delayBefore } from "../../src/shortlist/serve/page/client/transport.js";
import { server } from "./server.js";

const SLATE = { slate_id: "s1", items: [{ item: "a", title: "A" }, { item: 7, title: "B" }] };

test("an answer in JSON is returned; anything else is an error with the server's sentence, status, field and wait", () => {
  assert.deepEqual(parseAnswer(200, '{"items": [1]}'), { items: [1] });
  const headers = new Headers({ "retry-after": "3", "x-request-id": "r1" });
  assert.throws(() => parseAnswer(422, '{"error": "n must be a whole number", "field": "n"}', headers), (error) => {
    assert.ok(error instanceof ApiError);
    const { message, status, field, retryAfter, requestId, temporary } = error;
    assert.deepEqual([message, status, field, retryAfter, requestId, temporary], ["n must be a whole number", 422, "n", 3, "r1", false]);
    return true;
  });
  for (const text of ["Internal Server Error", "", "<html>502</html>", "null", '"text"', '{"error": ""}', '{"error": {}}']) {
    assert.throws(() => parseAnswer(500, text), /The server answered 500 without an explanation/);
  }
  assert.throws(() => parseAnswer(200, "<html></html>"), /answered 200/);
});

test("Retry-After is a number of seconds or a date", () => {
  const now = Date.parse("Wed, 21 Oct 2026 07:28:00 GMT");
  assert.deepEqual(["2", "Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", "soon", "", null].map((text) => secondsOf(text, now)),
    [2, 30, 0, null, null, null]);
});

test("the wait before an attempt doubles up to a limit, is spread, and is not shorter than the server says", () => {
  assert.deepEqual([1, 2, 3, 9].map((attempt) => delayBefore(attempt, null, 10, () => 1)), [0.2, 0.4, 0.8, 10]);
  assert.equal(delayBefore(3, null, 10, () => 0), 0);
  assert.equal(delayBefore(1, 4, 10, () => 0.5), 4.1);
});

test("requests name the client's user unless they say whom they are about", async () => {
  const { fetch, sent } = server(SLATE);
  const client = new ShortlistClient({ url: "https://recs.example/x/", key: "sl_1", user: "u1", fetch });
  await client.recommend({ n: 3 });
  await client.recommend({ user: "u2" });
  await client.recommend({ history: ["a"] });
  await client.rank(["a", { item: "b", price: 2 }], { context: { device: "tv" } });
  assert.deepEqual(sent.map((one) => one.body), [
    { n: 3, user: "u1" }, { user: "u2" }, { history: ["a"] }, { context: { device: "tv" }, user: "u1", items: ["a", { item: "b", price: 2 }] },
  ]);
  assert.deepEqual([sent[0].address, sent[3].address], ["https://recs.example/x/v1/recommend", "https://recs.example/x/v1/rank"]);
  assert.deepEqual(sent[0].headers, { Authorization: "Bearer sl_1", "Content-Type": "application/json" });
});

test("similar items: the id is encoded, what is not asked for is left out, and there is no body", async () => {
  const { fetch, sent } = server({ item: "x", items: SLATE.items });
  const client = new ShortlistClient({ url: "", fetch });
  assert.deepEqual(await client.similar("shop/7 é", { n: 8, by: "a&b" }), SLATE.items);
  await client.similar(7);
  assert.deepEqual(sent.map((one) => [one.method, one.address, one.body]),
    [["GET", "/v1/items/shop%2F7%20%C3%A9/similar?n=8&by=a%26b", undefined], ["GET", "/v1/items/7/similar", undefined]]);
  assert.deepEqual(sent[0].headers, {});
});

test("people and changes: each method has its route, and ids are encoded", async () => {
  const { fetch, sent } = server({ users: [{ user: "b" }], items: [], members: [] });
  const client = new ShortlistClient({ url: "", user: "u1", fetch });
  assert.deepEqual(await client.similarUsers("a/b", { n: 2 }), [{ user: "b" }]);
  await client.audience({ items: ["i"], n: 5, cap: 1 });
  await client.why("i", { n: 4 });
  await client.changeUser("a/b", { country: "NO" });
  await client.changeUsers([{ user: "x", attributes: { country: null } }]);
  await client.exportUser("é");
  await client.eraseUser("é");
  await client.changeItem(7, { title: "T" });
  await client.changeItems([{ item: 7, retired: true }]);
  await client.retireItem(7);
  assert.deepEqual(sent.map(({ method, address, body }) => [method, address, body]), [
    ["GET", "/v1/users/a%2Fb/similar?n=2", undefined],
    ["POST", "/v1/audience", { items: ["i"], n: 5, cap: 1 }], // an audience is about nobody alone
    ["POST", "/v1/why", { n: 4, user: "u1", item: "i" }],
    ["PUT", "/v1/users/a%2Fb", { attributes: { country: "NO" } }],
    ["PUT", "/v1/users", { users: [{ user: "x", attributes: { country: null } }] }],
    ["GET", "/v1/users/%C3%A9/export", undefined],
    ["DELETE", "/v1/users/%C3%A9", undefined],
    ["PUT", "/v1/items/7", { title: "T" }],
    ["PUT", "/v1/items", { items: [{ item: 7, retired: true }] }],
    ["DELETE", "/v1/items/7", undefined],
  ]);
});

test("items carry their slate and place, and events name the slate", async () => {
  const page = { page_id: "p", rows: [{ slate_id: "p-0", items: [{ item: "a" }] }, { slate_id: "p-1", items: [{ item: "b" }] }] };
  const { fetch } = server(SLATE, page);
  const client = new ShortlistClient({ url: "", user: "u1", fetch });
  const slate = await client.recommend();
  assert.deepEqual(slate.items.map(({ item, slate_id, position }) => [item, slate_id, position]), [["a", "s1", 0], [7, "s1", 1]]);
  const { rows } = await client.page();
  const slateOf = (...given) => client.event("click", ...given).slate_id;
  assert.equal(slateOf(slate.items[0]), "s1"); // as it was shown there
  assert.equal(slateOf("a"), "p-0"); // the slate that showed it last
  assert.equal(slateOf("7"), "s1"); // ids of pages are texts
  assert.equal(slateOf(rows[1].items[0]), "p-1");
  assert.equal(slateOf({ item: "a" }), undefined); // similar items have no slate
  assert.equal(slateOf("a", { slate_id: null }), undefined);
  assert.equal(slateOf("a", { slate_id: "own" }), "own");
  assert.equal(slateOf("never shown"), undefined);
});

test("an event has an id, and needs a user", () => {
  const client = new ShortlistClient({ url: "" });
  assert.throws(() => client.track("click", "a"), (error) => error instanceof ApiError && error.field === "user" && error.status === 0);
  client.user = "u1";
  const [one, two] = [client.event("play", "a", { value: 3, context: { device: "tv" } }), client.event("play", "a")];
  assert.match(one.event_id, /^[0-9a-f]{32}$/);
  assert.notEqual(one.event_id, two.event_id);
  assert.deepEqual({ ...one, event_id: "" }, { value: 3, context: { device: "tv" }, event_id: "", user: "u1", item: "a", kind: "play" });
});

test("a failure that passes is repeated with the same body; the answer is the one that came at last", async () => {
  const { fetch, sent } = server([503, { error: "not now" }], "no connection", { accepted: 1, repeated: 0 });
  const client = new ShortlistClient({ url: "", fetch });
  assert.deepEqual(await client.send([{ user: "u", item: "i", kind: "play" }]), { accepted: 1, repeated: 0 });
  assert.equal(sent.length, 3);
  assert.equal(new Set(sent.map((one) => one.body.events[0].event_id)).size, 1);
});

test("other failures are not repeated, nor those that last longer than a request may", async () => {
  for (const [failure, retries, expected] of [
    [[422, { error: "no", field: "n" }], 2, 1], [[500, {}], 2, 1], [[429, { error: "later" }, { "retry-after": "60" }], 2, 1],
    [[429, { error: "later" }], 1, 2], [[503, {}], 0, 1], ["no connection", 1, 2],
  ]) {
    const { fetch, sent } = server(failure, failure, failure);
    const client = new ShortlistClient({ url: "", fetch, retries });
    await assert.rejects(client.recommend(), ApiError);
    assert.equal(sent.length, expected, JSON.stringify(failure));
  }
});

test("a server that cannot be reached, or is too slow, is reported in a sentence with status 0", async () => {
  const { fetch } = server("no connection", "no answer");
  const client = new ShortlistClient({ url: "", fetch, retries: 0, timeout: 20 });
  await assert.rejects(client.recommend(), { status: 0, message: "The server cannot be reached." });
  await assert.rejects(client.recommend(), { status: 0, message: "The server did not answer within 0.02 seconds." });
});

test("a signal ends a request and the wait between attempts, with its reason", async () => {
  for (const first of ["no answer", [429, { error: "later" }, { "retry-after": "9" }]]) {
    const { fetch, sent } = server(first);
    const client = new ShortlistClient({ url: "", fetch }), controller = new AbortController();
    setTimeout(() => controller.abort(new Error("the user went on")), 20);
    await assert.rejects(client.recommend({}, { signal: controller.signal }), /the user went on/);
    assert.equal(sent.length, 1);
  }
  const { fetch, sent } = server(SLATE);
  await assert.rejects(new ShortlistClient({ url: "", fetch }).recommend({}, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(sent.length, 0);
});

test("a visitor keeps an id that nobody can guess", () => {
  const kept = new Map(), storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  const id = visitorId("v", storage);
  assert.match(id, /^v-[0-9a-f]{32}$/);
  assert.equal(visitorId("v", storage), id);
  const refusing = { getItem() { throw new Error("blocked"); }, setItem() {} };
  assert.notEqual(visitorId("v", refusing), visitorId("v", refusing));
});

test("the token of a user goes with requests that name a user, and is asked for again when it is too old", async () => {
  const old = [401, { error: "user_token: the token is too old", field: "user_token" }];
  const { fetch, sent } = server(SLATE, old, SLATE, SLATE, SLATE);
  const tokens = ["t1", "t2"];
  const client = new ShortlistClient({ url: "", user: "u1", userToken: () => tokens.shift(), fetch, retries: 0 });
  await client.recommend();
  await client.rank(["a"]);
  await client.recommend({ history: ["a"] });
  await client.identify("u2", "t3");
  await client.recommend();
  assert.deepEqual(sent.map((one) => [one.body.user, one.body.user_token]),
    [["u1", "t1"], ["u1", "t1"], ["u1", "t2"], [undefined, undefined], ["u2", "t3"]]);
});

test("a token that is refused again is an error", async () => {
  const { fetch, sent } = server([401, { error: "user_token: the token is too old", field: "user_token" }]);
  const client = new ShortlistClient({ url: "", user: "u1", userToken: async () => "t", fetch, retries: 0 });
  await assert.rejects(client.recommend(), (error) => error.status === 401 && error.field === "user_token");
  assert.equal(sent.length, 2);
});

test("events have the token of the user, and wait for it before the user changes", async () => {
  const { fetch, sent } = server({ accepted: 1, repeated: 0 });
  const client = new ShortlistClient({ url: "", user: "u1", userToken: "t1", fetch });
  client.track("click", "a");
  await client.identify("u2", "t2");
  client.track("click", "b");
  await client.close();
  assert.deepEqual(sent.map((one) => [one.body.events[0].user, one.body.user_token]), [["u1", "t1"], ["u2", "t2"]]);
});
