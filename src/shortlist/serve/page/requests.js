// Bodies of requests.

// A request of the tab "Try it". A placement has its own number of items.
export function slateRequest(user, context, { placement, weights, diversity, freshness }, n = 12) {
  return viewRequest(user, context, { ...(placement ? { placement } : { n }), weights, diversity, freshness });
}

// The context that requests of the page begin with: the first value of each column.
export function usualContext(columns) {
  return Object.fromEntries(Object.entries(columns).filter(([, values]) => values.length).map(([name, values]) => [name, values[0]]));
}

// A request of the product tab: the user, the context if there is one, and what the view adds.
export function viewRequest(user, context, more) {
  const request = { user, ...more };
  if (Object.keys(context).length) request.context = context;
  return request;
}

// Events of an item as a slate has it, as the product would send them. `actions`: action → kind of event. `done`: [action, value] pairs; actions
// that the log has no kind for are left out, and of two actions with one kind the last is sent.
export function eventsOf({ user, context, actions }, { item, slate_id }, done) {
  const events = new Map();
  for (const [action, value] of done) {
    const kind = actions[action];
    if (kind === undefined) continue;
    const event = { user, item, kind };
    if (value !== undefined && value !== null) event.value = value;
    if (slate_id) event.slate_id = slate_id;
    if (Object.keys(context).length) event.context = context;
    events.set(kind, event);
  }
  return [...events.values()];
}

// The next part of a feed: nothing that it shows already.
export function feedRequest(shown, n = 8) {
  return shown.length ? { n, filters: { items: { none: shown } } } : { n };
}

// A request for similar items, by a source if the project has it.
export function similarRequest(n, source, sources) {
  return sources.includes(source) ? { n, by: source } : { n };
}
