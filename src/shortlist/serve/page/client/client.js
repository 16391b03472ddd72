// Built from clients/typescript by `make clients`; changes belong there.
import { ApiError } from "./errors.js";
import { EventQueue } from "./events.js";
import { randomId } from "./ids.js";
import { SlateMemory } from "./slates.js";
import { Transport } from "./transport.js";
/**
 * Recommendations and events of a Shortlist server.
 *
 * `recommend`, `page`, `rank`, `similar`, `similarUsers`, `audience` and `why` ask; `changeItem`, `changeUser` and their likes change what is
 * known; `track` queues an event and returns at once; `send` stores events and waits for the answer. A
 * request that fails for a time is repeated, and an event counts once however often it is sent. A page that is closed hands the events
 * that wait to the browser.
 */
export class ShortlistClient {
    /** Whom requests and events are about, where they do not say so themselves. */
    user;
    events;
    transport;
    slates = new SlateMemory();
    constructor(options) {
        this.user = options.user;
        this.transport = new Transport(options);
        this.events = new EventQueue(this.transport, options);
        if (typeof document !== "undefined") {
            addEventListener("pagehide", this.onPageHide);
            document.addEventListener("visibilitychange", this.onHidden);
        }
    }
    /** A slate: the best items for a user or a history. */
    async recommend(request = {}, options = {}) {
        return this.shown((await this.post("/v1/recommend", this.aboutUser(request), options)));
    }
    /** A page of rows, with no item twice. */
    async page(request = {}, options = {}) {
        const page = (await this.post("/v1/page", this.aboutUser(request), options));
        return { ...page, rows: page.rows.map((row) => this.shown(row)) };
    }
    /** A given list of items in the best order for a user; every item comes back. */
    async rank(items, request = {}, options = {}) {
        return this.shown((await this.post("/v1/rank", { ...this.aboutUser(request), items }, options)));
    }
    /** Items similar to one. */
    async similar(item, request = {}, options = {}) {
        const query = { n: request.n, by: request.by };
        return (await this.request({ method: "GET", path: `${pathOf("items", item)}/similar`, query, ...options })).items;
    }
    /** Users who took the most similar items. */
    async similarUsers(user, request = {}, options = {}) {
        const call = { method: "GET", path: `${pathOf("users", user)}/similar`, query: { n: request.n }, ...options };
        return (await this.request(call)).users;
    }
    /** The best users for each of some items, or for what filters permit. */
    async audience(request, options = {}) {
        return (await this.post("/v1/audience", request, options));
    }
    /** Why an item is, or is not, in the slate of a request. */
    async why(item, request = {}, options = {}) {
        return (await this.post("/v1/why", { ...this.aboutUser(request), item }, options));
    }
    /** Change attributes of a user, known or new; they count from the next request on. */
    changeUser(user, attributes, options = {}) {
        return this.request({ method: "PUT", path: pathOf("users", user), body: { attributes }, ...options });
    }
    /** The same for many users: all are checked, then all are stored. */
    changeUsers(users, options = {}) {
        return this.request({ method: "PUT", path: "/v1/users", body: { users }, ...options });
    }
    /** Delete what is stored of a user, everywhere on the server. */
    eraseUser(user, options = {}) {
        return this.request({ method: "DELETE", path: pathOf("users", user), ...options });
    }
    /** All that the server holds of a user. */
    exportUser(user, options = {}) {
        return this.request({ method: "GET", path: `${pathOf("users", user)}/export`, ...options });
    }
    /** Add an item, or change its title and attributes; it counts from the next request on. */
    changeItem(item, change, options = {}) {
        return this.request({ method: "PUT", path: pathOf("items", item), body: change, ...options });
    }
    /** The same for many items: all are checked, then all are stored. */
    changeItems(items, options = {}) {
        return this.request({ method: "PUT", path: "/v1/items", body: { items }, ...options });
    }
    /** Show an item no more; its events stay. `changeItem(item, { retired: false })` brings it back. */
    retireItem(item, options = {}) {
        return this.request({ method: "DELETE", path: pathOf("items", item), ...options });
    }
    /**
     * Queue an event; returns its id.
     *
     * @param kind What was done: a kind of event of the log, such as `click`.
     * @param item An item as a slate has it, whose slate is sent along; or an id, with the slate that showed it last.
     */
    track(kind, item, options = {}) {
        const event = this.event(kind, item, options);
        this.events.add(event);
        return event.event_id;
    }
    /** An event as it is sent, with an id and the slate that showed the item. */
    event(kind, item, options = {}) {
        const shown = typeof item === "object" ? item : { item }, { slate_id: given, ...others } = options;
        const user = options.user ?? this.user;
        if (user === undefined)
            throw new ApiError("An event needs a user: give the client one, for example visitorId().", 0, "user");
        const slate = given === undefined ? (typeof item === "object" ? item.slate_id : this.slates.of(item)) : given;
        return { ...others, event_id: options.event_id ?? randomId(), user, item: shown.item, kind, ...(slate ? { slate_id: slate } : {}) };
    }
    /** Store events now, all or none; events without an id get one, so that a repeated request stores them once. */
    async send(events, options = {}) {
        const named = events.map((event) => ({ ...event, event_id: event.event_id ?? randomId() }));
        return (await this.post("/v1/events", { events: named }, options));
    }
    /** Send the events that wait. Returns how many still wait, because the server does not take them at the moment. */
    flush() { return this.events.flush(); }
    /** Send the events that wait, and stop listening to the page. Returns how many could not be sent. */
    async close() {
        if (typeof document !== "undefined") {
            removeEventListener("pagehide", this.onPageHide);
            document.removeEventListener("visibilitychange", this.onHidden);
        }
        const left = await this.flush();
        this.events.stop();
        return left;
    }
    /** Change whom requests and events are about, with the token of the new user. Events that wait are sent before. */
    async identify(user, userToken) {
        await this.flush();
        this.user = user;
        this.transport.speakFor(userToken);
    }
    /** Any other request of the interface, with the same key, timeout, retries and errors. */
    async request(call) { return (await this.transport.send(call)); }
    post(path, body, options) {
        return this.transport.send({ method: "POST", path, body, ...options });
    }
    aboutUser(request) {
        if (this.user === undefined || "user" in request || "history" in request)
            return request;
        return { ...request, user: this.user };
    }
    shown(slate) {
        return { ...slate, items: this.slates.remember(slate.slate_id, slate.items, slate.first_position) };
    }
    onPageHide = () => this.events.beacon();
    onHidden = () => { if (document.visibilityState === "hidden")
        void this.events.flush(true); };
}
/** The address of one item or user. */
function pathOf(what, id) { return `/v1/${what}/${encodeURIComponent(id)}`; }
