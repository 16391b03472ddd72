// The only place that talks to the server: one way to send a request, one way to report an error.

// An error with the server's sentence, the HTTP status and, if the server names it, the field.
export class ApiError extends Error {
  constructor(message, status, field = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.field = field;
  }
}

// Read an answer. The text need not be JSON: a proxy or a broken server may send anything.
export function parseAnswer(status, text) {
  let data = null;
  try { data = JSON.parse(text); } catch { data = null; }
  if (status >= 200 && status < 300 && data !== null) return data;
  if (data !== null && data.error) throw new ApiError(data.error, status, data.field ?? null);
  throw new ApiError(`The server answered ${status} without an explanation. Its log names the reason.`, status);
}

// The address of an API path, relative to the page, so that the page also works behind a path prefix.
export function address(path) {
  return path.replace(/^\//, "");
}

const waiting = { onKeyNeeded: () => {} };

// Register what happens if the server requires a key.
export function onKeyNeeded(run) {
  waiting.onKeyNeeded = run;
}

// GET a path, or POST a body to it as JSON; returns the parsed answer or throws `ApiError`.
export async function call(path, body, { send = fetch, key = sessionStorage.getItem("key") } = {}) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const options = body === undefined ? { headers } : {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try { answer = await send(address(path), options); } catch { throw new ApiError("The server cannot be reached.", 0); }
  if (answer.status === 401) waiting.onKeyNeeded();
  return parseAnswer(answer.status, await answer.text());
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
