import assert from "node:assert/strict";
import test from "node:test";
import { linkOf } from "../../src/shortlist/serve/page/link.js";

test("only web addresses become links", () => {
  assert.equal(linkOf("https://shop.example/p/1?a=<b>"), "https://shop.example/p/1?a=%3Cb%3E");
  assert.equal(linkOf("http://shop.example"), "http://shop.example/");
  const refused = [null, undefined, "", "/p/1", "//shop.example/p", "javascript:alert(1)", " JavaScript:alert(1)", "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "blob:https://shop.example/x", 7];
  for (const address of refused) assert.equal(linkOf(address), null, String(address));
});
