// Copies the built client to the page of the server. Without arguments: dist/ to the page; else: from one folder to another.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NOTE = "// Built from clients/typescript by `make clients`; changes belong there.\n";
const here = import.meta.dirname;
const [from = join(here, "dist"), to = join(here, "../../src/shortlist/serve/page/client")] = process.argv.slice(2);

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from)) {
  if (!name.endsWith(".js") || name === "openapi.js") continue; // it has types only
  writeFileSync(join(to, name), NOTE + readFileSync(join(from, name), "utf8"));
}
