// The client by which the page talks to its server, and what several views load.
import { ShortlistClient } from "./client/index.js";

const waiting = { onKeyNeeded: () => {} };

// Register what happens if the server requires a key.
export function onKeyNeeded(run) {
  waiting.onKeyNeeded = run;
}

// A client of the server that the page at `base` comes from, also behind a path prefix.
export function makeClient(base, key, send = (...given) => fetch(...given)) {
  const noticing = async (...given) => {
    const answer = await send(...given);
    if (answer.status === 401) waiting.onKeyNeeded();
    return answer;
  };
  return new ShortlistClient({ url: new URL(".", base).href, key: key ?? undefined, fetch: noticing });
}

// The name under which a key that was entered is kept: each server below a path has its own, although all of an origin share the storage.
export function keyName(base) { return `key ${new URL(".", base).pathname}`; }

const base = globalThis.document?.baseURI ?? "http://localhost/";
export const client = makeClient(base, globalThis.sessionStorage?.getItem(keyName(base)));

// GET a path, or POST a body to it as JSON: requests that only the page makes.
export function call(path, body) {
  return client.request(body === undefined ? { method: "GET", path } : { method: "POST", path, body });
}

// A function that calls `load` once, however often and by whomever it is called; after an error it loads again.
export function once(load) {
  let loading = null;
  return () => {
    loading ??= load().catch((error) => { loading = null; throw error; });
    return loading;
  };
}

export const loadProject = once(() => call("/v1/project"));
export const loadPeople = once(async () => (await call("/v1/users")).users);

// Facts of items (title, tags, numbers) by id.
export async function loadFacts(rows) {
  const found = rows.length ? await call("/v1/items", rows.map((row) => row.item)) : [];
  return new Map(found.map((fact) => [fact.item, fact]));
}
