// The queue of events: batches, faults, and what happens when a page is closed. Time is simulated.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { ShortlistClient } from "../../src/shortlist/serve/page/client/index.js";
import { server } from "./server.js";

const OK = { accepted: 1, repeated: 0 };

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

// Let promises settle: between two timers, there are only microtasks, and a few immediates of `Response`.
const settle = async () => { for (let i = 0; i < 20; i += 1) await new Promise(setImmediate); };
const later = async (milliseconds) => { mock.timers.tick(milliseconds); await settle(); };

function makeClient(answers, options = {}) {
  const { fetch, sent } = server(...answers), lost = [];
  const onError = (error, events) => lost.push([error.status, events.map((one) => one.item)]);
  const client = new ShortlistClient({ url: "", user: "u", fetch, retries: 0, onError, ...options });
  return { client, sent, lost, batches: () => sent.map((one) => one.body.events.map((event) => event.item)) };
}

test("events wait for each other, and are sent together", async () => {
  const { client, batches } = makeClient([OK]);
  client.track("click", "a");
  client.track("click", "b");
  await later(1_999);
  assert.deepEqual(batches(), []);
  await later(1);
  assert.deepEqual(batches(), [["a", "b"]]);
  assert.equal(client.events.size, 0);
});

test("a full batch is sent at once", async () => {
  const { client, batches } = makeClient([OK], { batchSize: 2 });
  for (const item of ["a", "b", "c"]) client.track("click", item);
  await settle();
  assert.deepEqual(batches(), [["a", "b"], ["c"]]);
});

test("large events are spread over requests that a browser takes while a page is closed", async () => {
  const { client, sent } = makeClient([OK]);
  for (let i = 0; i < 40; i += 1) client.track("click", `${i}`, { context: { text: "é".repeat(1_000) } });
  assert.equal(await client.flush(), 0);
  assert.ok(sent.length > 1);
  for (const one of sent) assert.ok(Buffer.byteLength(JSON.stringify(one.body)) < 65_536);
  assert.deepEqual(sent.flatMap((one) => one.body.events.map((event) => Number(event.item))), [...Array(40).keys()]);
});

test("events stay while the server cannot take them, in their order and with their ids", async () => {
  const { client, sent, batches, lost } = makeClient([[503, {}, { "retry-after": "20" }], OK]);
  const id = client.track("click", "a");
  assert.equal(await client.flush(), 1);
  client.track("click", "b"); // does not shorten the wait
  await later(19_999);
  assert.equal(sent.length, 1);
  await later(11_000);
  assert.deepEqual(batches(), [["a"], ["a", "b"]]);
  assert.equal(sent[1].body.events[0].event_id, id);
  assert.deepEqual([client.events.size, lost], [0, []]);
});

test("an event that waited has the time at which it happened; others have the server's", async () => {
  const { client, sent } = makeClient([[503, {}, { "retry-after": "20" }], OK]);
  client.track("click", "a");
  client.track("click", "own", { timestamp: 5 });
  await client.flush();
  await later(31_000);
  assert.deepEqual(sent.map((one) => one.body.events.map((event) => event.timestamp)), [[undefined, 5], [0, 5]]);
});

test("where the clock of the client is ahead, the time of the server counts", async () => {
  const { client, sent, lost } = makeClient([[503, {}, { "retry-after": "20" }], [422, { error: "ahead", field: "events.0.timestamp" }], OK]);
  client.track("click", "a");
  await client.flush();
  await later(31_000);
  assert.deepEqual(sent.map((one) => one.body.events[0].timestamp), [undefined, 0, undefined]);
  assert.deepEqual([client.events.size, lost], [0, []]);
});

test("an event that is wrong is given up, and the others are sent", async () => {
  const { client, batches, lost } = makeClient([[422, { error: "no such item", field: "events.1.item" }], OK]);
  for (const item of ["a", "wrong", "c"]) client.track("click", item);
  assert.equal(await client.flush(), 0);
  assert.deepEqual(batches(), [["a", "wrong", "c"], ["a", "c"]]);
  assert.deepEqual(lost, [[422, ["wrong"]]]);
});

test("a batch that is refused as a whole is given up", async () => {
  const { client, sent, lost } = makeClient([[403, { error: "this key lacks a scope" }]]);
  client.track("click", "a");
  assert.equal(await client.flush(), 0);
  assert.deepEqual([sent.length, lost], [1, [[403, ["a"]]]]);
});

test("a fault of the server that does not pass holds up nothing for ever", async () => {
  const { client, sent, lost } = makeClient([[500, {}], [500, {}], [500, {}], [500, {}], [500, {}], [500, {}], OK]);
  client.track("click", "a");
  await client.flush();
  for (let i = 0; i < 5; i += 1) await later(60_000);
  assert.deepEqual([sent.length, lost], [6, [[500, ["a"]]]]);
  client.track("click", "b");
  await later(2_000);
  assert.equal(client.events.size, 0);
});

test("at most 10,000 events wait; the oldest are given up", () => {
  const { client, sent, lost } = makeClient(["no answer"]);
  for (let i = 0; i < 10_100; i += 1) client.track("click", `${i}`);
  const onTheirWay = sent[0].body.events.length;
  assert.equal(client.events.size, 10_000 + onTheirWay);
  assert.deepEqual(lost, [...Array(100 - onTheirWay).keys()].map((k) => [0, [`${onTheirWay + k}`]]));
  assert.ok(lost.length > 0);
});

// ---------------------------------------------------------------- a page that is closed

function inPage(t, taken = true) {
  const page = new EventTarget(), beacons = [];
  page.visibilityState = "visible";
  const globals = { document: page, addEventListener: page.addEventListener.bind(page), removeEventListener: page.removeEventListener.bind(page) };
  for (const [name, value] of Object.entries(globals)) globalThis[name] = value;
  Object.defineProperty(globalThis, "navigator", {
    configurable: true, value: { sendBeacon: (address, blob) => { if (taken) beacons.push({ address, blob }); return taken; } },
  });
  t.after(() => { for (const name of [...Object.keys(globals), "navigator"]) delete globalThis[name]; });
  return { page, beacons, close: () => page.dispatchEvent(new Event("pagehide")) };
}

const itemsOf = async ({ blob }) => JSON.parse(await blob.text()).events.map((event) => event.item);

test("a page that is closed hands over what waits and what is on its way; a public key is in the address", async (t) => {
  const { beacons, close } = inPage(t);
  const { client } = makeClient(["no answer"], { key: "slp_a/b", url: "https://recs.example" });
  client.track("click", "a");
  void client.flush();
  client.track("click", "b");
  close();
  assert.equal(beacons[0].address, "https://recs.example/v1/events?key=slp_a%2Fb");
  assert.equal(beacons[0].blob.type, "text/plain"); // no preflight
  assert.deepEqual(await itemsOf(beacons[0]), ["a", "b"]);
  close(); // what was handed over is not sent again; what is on its way may be, and counts once
  assert.deepEqual(await itemsOf(beacons[1]), ["a"]);
});

test("without a key, a beacon is JSON", async (t) => {
  const { beacons, close } = inPage(t);
  const { client } = makeClient([OK]);
  client.track("click", "a");
  close();
  assert.deepEqual([beacons[0].address, beacons[0].blob.type], ["/v1/events", "application/json"]);
  assert.equal(client.events.size, 0);
});

test("a key that is a secret is never in an address: the request outlives the page instead", (t) => {
  const { beacons, close } = inPage(t);
  const { client, sent } = makeClient([OK], { key: "sl_secret" });
  client.track("click", "a");
  close();
  assert.deepEqual(beacons, []);
  assert.deepEqual([sent[0].keepalive, sent[0].headers.Authorization, sent[0].address], [true, "Bearer sl_secret", "/v1/events"]);
});

test("what the browser does not take stays, in case the page comes back", (t) => {
  const { close } = inPage(t, false);
  const { client } = makeClient([OK]);
  client.track("click", "a");
  close();
  assert.equal(client.events.size, 1);
});

test("a page that is hidden sends what waits, in a way that shows whether it arrived", async (t) => {
  const { page, beacons } = inPage(t);
  const { client, sent } = makeClient([OK]);
  client.track("click", "a");
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(sent.length, 0); // it has become visible
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  await settle();
  assert.deepEqual([sent.length, sent[0].keepalive, client.events.size, beacons.length], [1, true, 0, 0]);
});

test("a client that is closed sends what waits and no longer listens", async (t) => {
  const { beacons, close } = inPage(t);
  const { client, batches } = makeClient([OK]);
  client.track("click", "a");
  assert.equal(await client.close(), 0);
  close();
  assert.deepEqual([batches(), beacons], [[["a"]], []]);
});
