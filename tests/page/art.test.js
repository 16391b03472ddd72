// Pictures of items, and what stands for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, initials, lookOf, pictureOf, withheld } from "../../src/shortlist/serve/page/art.js";

test("an item has one look, and items differ", () => {
  assert.deepEqual(lookOf("a1", "Pans"), lookOf("a1", "Pans"));
  assert.equal(hashOf("é"), hashOf("é"));
  const looks = Array.from({ length: 60 }, (_, at) => lookOf(`item-${at}`));
  assert.ok(new Set(looks.map((look) => JSON.stringify(look))).size >= 58);
  for (const { hue, pattern, tilt } of looks) assert.ok(hue >= 0 && hue < 360 && pattern < 4 && tilt < 180);
});

test("items of one category have hues near each other", () => {
  const first = lookOf("a", "Pans").hue;
  const far = Array.from({ length: 40 }, (_, at) => Math.abs(lookOf(`i${at}`, "Pans").hue - first)).map((gap) => Math.min(gap, 360 - gap));
  assert.ok(Math.max(...far) <= 40);
});

test("initials are those of the words that say something", () => {
  assert.equal(initials("Photo Editor Pro"), "PE");
  assert.equal(initials("Der große Rucksack, 65 l"), "GR");
  assert.equal(initials("(2-pack) ärmel"), "2P");
  assert.equal(initials("The"), "T");
  assert.equal(initials("鍋 セット"), "鍋セ");
  assert.equal(initials("—"), "·");
});

test("only pictures that the content security policy allows are loaded", () => {
  const base = "https://shop.example/recs/", hosts = ["https://images.example.com", "https://*.cdn.example", "http://plain.example:8080"];
  assert.equal(pictureOf("https://images.example.com/a.jpg", hosts, base), "https://images.example.com/a.jpg");
  assert.equal(pictureOf("//images.example.com/a.jpg", hosts, base), "https://images.example.com/a.jpg");
  assert.equal(pictureOf("https://eu.cdn.example/a.jpg", hosts, base), "https://eu.cdn.example/a.jpg");
  assert.equal(pictureOf("http://plain.example:8080/a.jpg", hosts, base), "http://plain.example:8080/a.jpg");
  assert.equal(pictureOf("/img/a.jpg", [], base), "https://shop.example/img/a.jpg");
  assert.equal(pictureOf("data:image/png;base64,AA", [], base), "data:image/png;base64,AA");
  const refused = [null, "", "https://cdn.example/a.jpg", "http://images.example.com/a.jpg", "https://evil.example/a.jpg", "javascript:alert(1)", "data:text/html,x", "https://["];
  for (const image of refused) assert.equal(pictureOf(image, hosts, base), null, String(image));
  assert.equal(withheld("https://images.example.com/a.jpg", hosts, base), "");
  assert.equal(withheld(null, hosts, base), "");
  assert.match(withheld("https://evil.example/a.jpg", hosts, base), /image_hosts .* does not name https:\/\/evil\.example\./);
  for (const image of ["javascript:alert(1)", "data:text/html,x", "https://["]) assert.match(withheld(image, hosts, base), /not the address of a picture/);
});
