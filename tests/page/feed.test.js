// The endless feed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "../../src/shortlist/serve/page/feed.js";

const slate = (...items) => ({ items: items.map((item) => ({ item })) });

function feedOf(parts, inSight = () => false) {
  const log = [];
  const feed = new Feed({
    load: async (shown) => { log.push(`load after ${shown.length}`); const part = parts.shift(); if (part instanceof Error) throw part; return part; },
    draw: async (part) => { log.push(`draw ${part.items.length}`); },
    watch: () => { log.push("watch"); if (inSight()) return feed.more(); return null; },
    unwatch: () => { log.push("unwatch"); },
  });
  return { feed, log };
}

test("each part is loaded, drawn and watched again", async () => {
  const { feed, log } = feedOf([slate("a", "b"), slate("c")]);
  await feed.more();
  await feed.more();
  assert.deepEqual(feed.shown, ["a", "b", "c"]);
  assert.deepEqual(log, ["unwatch", "load after 0", "draw 2", "watch", "unwatch", "load after 2", "draw 1", "watch"]);
});

test("an end that stays in sight is reported anew after each part", async () => {
  const watched = [];
  const { feed } = feedOf([slate("a"), slate("b"), slate()], () => { watched.push(feed.shown.length); return false; });
  while (watched.length < 2) await feed.more();
  await feed.more();
  assert.deepEqual(watched, [1, 2], "an empty part ends the feed");
});

test("two calls at once load one part", async () => {
  const { feed, log } = feedOf([slate("a"), slate("b")]);
  await Promise.all([feed.more(), feed.more()]);
  assert.equal(log.filter((line) => line.startsWith("load")).length, 1);
});

test("after an error the part can be loaded again", async () => {
  const { feed } = feedOf([new Error("503"), slate("a")]);
  await assert.rejects(feed.more(), /503/);
  await feed.more();
  assert.deepEqual(feed.shown, ["a"]);
});

test("an ended feed loads nothing, not even what is on its way", async () => {
  const { feed, log } = feedOf([slate("a"), slate("b")]);
  const loading = feed.more();
  feed.end();
  await loading;
  await feed.more();
  assert.deepEqual(feed.shown, []);
  assert.ok(!log.includes("draw 1"));
});

test("a feed ends after 150 items", async () => {
  const many = Array.from({ length: 151 }, (_, at) => at);
  const { feed, log } = feedOf([slate(...many)]);
  await feed.more();
  assert.ok(!log.includes("watch"));
});
