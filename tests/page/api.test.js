// How the page uses the client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyName, makeClient, onKeyNeeded, once } from "../../src/shortlist/serve/page/api.js";

const answering = (status, text, sent = []) => async (address, init) => { sent.push([address, init]); return new Response(text, { status }); };

test("requests go to where the page comes from, so that a path prefix is kept", async () => {
  for (const base of ["https://shop.example/recs/", "https://shop.example/recs/index.html#try"]) {
    const sent = [];
    await makeClient(base, null, answering(200, "{}", sent)).request({ method: "GET", path: "/v1/project" });
    assert.equal(sent[0][0], "https://shop.example/recs/v1/project");
    assert.deepEqual(sent[0][1].headers, {});
  }
});

test("the key that was entered is sent", async () => {
  const sent = [];
  await makeClient("https://shop.example/", "sl_1", answering(200, '{"accepted": 1, "repeated": 0}', sent)).send([{ user: "u", item: "i", kind: "play" }]);
  assert.equal(sent[0][1].headers.Authorization, "Bearer sl_1");
});

test("a key belongs to the path of its server", () => {
  assert.equal(keyName("https://recs.example/t/acme/index.html#try"), "key /t/acme/");
  assert.notEqual(keyName("https://recs.example/t/zenith/"), keyName("https://recs.example/t/acme/"));
});

test("401 asks for a key", async () => {
  let asked = 0;
  onKeyNeeded(() => { asked += 1; });
  const locked = makeClient("https://shop.example/", null, answering(401, '{"error": "a key is needed", "field": null}'));
  await assert.rejects(locked.request({ method: "GET", path: "/v1/project" }), /a key is needed/);
  assert.equal(asked, 1);
});

test("once: callers share one load, and an error is tried again", async () => {
  let loads = 0;
  const load = once(async () => { loads += 1; if (loads === 1) throw new Error("first"); return loads; });
  await assert.rejects(load(), /first/);
  assert.deepEqual(await Promise.all([load(), load()]), [2, 2]);
  assert.equal(loads, 2);
});
