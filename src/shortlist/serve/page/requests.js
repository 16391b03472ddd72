// Bodies of requests.

// A request of the tab "Try it".
export function slateRequest(user, { weights, diversity, freshness }, n = 12) {
  return { user, n, weights, diversity, freshness };
}

// A request of the product tab: the user, the context if there is one, and what the view adds.
export function viewRequest(user, context, more) {
  const request = { user, ...more };
  if (Object.keys(context).length) request.context = context;
  return request;
}

// Events of one item, as the product would send them. `done`: [kind, value] pairs; kinds that the log lacks are left out.
export function eventsOf({ user, context, kinds }, item, slate, done) {
  return done.filter(([kind]) => kinds.includes(kind)).map(([kind, value]) => {
    const event = { user, item, kind };
    if (value !== undefined) event.value = value;
    if (slate) event.slate_id = slate;
    if (Object.keys(context).length) event.context = context;
    return event;
  });
}

// The next part of a feed: nothing that it shows already.
export function feedRequest(shown, n = 8) {
  return shown.length ? { n, filters: { items: { none: shown } } } : { n };
}

// Items similar to one, by a source if the project has it.
export function similarPath(item, n, source, sources) {
  const by = sources.includes(source) ? `&by=${source}` : "";
  return `/v1/items/${encodeURIComponent(item)}/similar?n=${n}${by}`;
}
