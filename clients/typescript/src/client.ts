import { ApiError } from "./errors.js";
import { EventQueue, type QueueOptions } from "./events.js";
import { randomId } from "./ids.js";
import type {
  AudienceAnswer, AudienceBody, EventBody, EventsAnswer, ItemAnswer, ItemBody, ItemChanged, ItemRetired, ItemsChanged, NamedItemBody, NamedUserBody, PageAnswer,
  PageBody, RankAnswer, RecommendAnswer, RecommendBody, RowAnswer, SimilarAnswer, SimilarUserAnswer, SimilarUsersAnswer, UserChanged, UserErased, UserExport,
  UsersChanged, WhyAnswer,
} from "./openapi.js";
import { SlateMemory, type Id, type ShownItem } from "./slates.js";
import { Transport, type Call, type RequestOptions, type TokenSource, type TransportOptions } from "./transport.js";

type Given<Body> = Partial<Omit<Body, "n">> & { /** Number of items. */ n?: number };

export type RecommendRequest = Given<RecommendBody>;
export type PageRequest = Given<PageBody>;
/** An item of a given list: its id, or its id with what is known of it at this moment. */
export type GivenItem = Id | { item: Id; [field: string]: unknown };
export type RankRequest = Pick<RecommendRequest, "placement" | "user" | "history" | "context" | "weights" | "combine" | "after">;
export interface SimilarRequest { n?: number; /** One source instead of the usual order, such as `together`. */ by?: string }

/** Users for items, or for what filters permit. */
export type AudienceRequest = Partial<AudienceBody>;
/** A change of an item: attributes that are not named stay, and null makes one unknown. */
export type ItemChange = Partial<ItemBody>;
export type NamedItemChange = Partial<NamedItemBody> & Pick<NamedItemBody, "item">;

/** A slate; each item also has the slate's id and its place. */
export type Slate = Omit<RecommendAnswer, "items"> & { items: ShownItem[] };
/** A given list in order; it has no guard-rails and no pages, because every item comes back. */
export type Ranking = Omit<Slate, "guard_rails" | "first_position" | "cursor">;
export type Row = Omit<RowAnswer, "items"> & { items: ShownItem[] };
export type Page = Omit<PageAnswer, "rows"> & { rows: Row[] };

export interface TrackOptions extends Partial<Pick<EventBody, "user" | "value" | "context" | "timestamp" | "event_id">> {
  /** The slate that the event comes from (default: the one that showed the item last); null: none. */
  slate_id?: string | null;
}

export interface ClientOptions extends TransportOptions, QueueOptions {
  /** Whom requests and events are about, where they do not say so themselves. */
  user?: Id | undefined;
}

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
  user: Id | undefined;
  readonly events: EventQueue;
  private readonly transport: Transport;
  private readonly slates = new SlateMemory();

  constructor(options: ClientOptions) {
    this.user = options.user;
    this.transport = new Transport(options);
    this.events = new EventQueue(this.transport, options);
    if (typeof document !== "undefined") {
      addEventListener("pagehide", this.onPageHide);
      document.addEventListener("visibilitychange", this.onHidden);
    }
  }

  /** A slate: the best items for a user or a history. */
  async recommend(request: RecommendRequest = {}, options: RequestOptions = {}): Promise<Slate> {
    return this.shown((await this.post("/v1/recommend", this.aboutUser(request), options)) as RecommendAnswer);
  }

  /** A page of rows, with no item twice. */
  async page(request: PageRequest = {}, options: RequestOptions = {}): Promise<Page> {
    const page = (await this.post("/v1/page", this.aboutUser(request), options)) as PageAnswer;
    return { ...page, rows: page.rows.map((row) => this.shown(row)) };
  }

  /** A given list of items in the best order for a user; every item comes back. */
  async rank(items: readonly GivenItem[], request: RankRequest = {}, options: RequestOptions = {}): Promise<Ranking> {
    return this.shown((await this.post("/v1/rank", { ...this.aboutUser(request), items }, options)) as RankAnswer);
  }

  /** Items similar to one. */
  async similar(item: Id, request: SimilarRequest = {}, options: RequestOptions = {}): Promise<ItemAnswer[]> {
    const query = { n: request.n, by: request.by };
    return (await this.request<SimilarAnswer>({ method: "GET", path: `${pathOf("items", item)}/similar`, query, ...options })).items;
  }

  /** Users who took the most similar items. */
  async similarUsers(user: Id, request: { n?: number } = {}, options: RequestOptions = {}): Promise<SimilarUserAnswer[]> {
    const call: Call = { method: "GET", path: `${pathOf("users", user)}/similar`, query: { n: request.n }, ...options };
    return (await this.request<SimilarUsersAnswer>(call)).users;
  }

  /** The best users for each of some items, or for what filters permit. */
  async audience(request: AudienceRequest, options: RequestOptions = {}): Promise<AudienceAnswer> {
    return (await this.post("/v1/audience", request, options)) as AudienceAnswer;
  }

  /** Why an item is, or is not, in the slate of a request. */
  async why(item: Id, request: RecommendRequest = {}, options: RequestOptions = {}): Promise<WhyAnswer> {
    return (await this.post("/v1/why", { ...this.aboutUser(request), item }, options)) as WhyAnswer;
  }

  /** Change attributes of a user, known or new; they count from the next request on. */
  changeUser(user: Id, attributes: NamedUserBody["attributes"], options: RequestOptions = {}): Promise<UserChanged> {
    return this.request({ method: "PUT", path: pathOf("users", user), body: { attributes }, ...options });
  }

  /** The same for many users: all are checked, then all are stored. */
  changeUsers(users: readonly NamedUserBody[], options: RequestOptions = {}): Promise<UsersChanged> {
    return this.request({ method: "PUT", path: "/v1/users", body: { users }, ...options });
  }

  /** Delete what is stored of a user, everywhere on the server. */
  eraseUser(user: Id, options: RequestOptions = {}): Promise<UserErased> {
    return this.request({ method: "DELETE", path: pathOf("users", user), ...options });
  }

  /** All that the server holds of a user. */
  exportUser(user: Id, options: RequestOptions = {}): Promise<UserExport> {
    return this.request({ method: "GET", path: `${pathOf("users", user)}/export`, ...options });
  }

  /** Add an item, or change its title and attributes; it counts from the next request on. */
  changeItem(item: Id, change: ItemChange, options: RequestOptions = {}): Promise<ItemChanged> {
    return this.request({ method: "PUT", path: pathOf("items", item), body: change, ...options });
  }

  /** The same for many items: all are checked, then all are stored. */
  changeItems(items: readonly NamedItemChange[], options: RequestOptions = {}): Promise<ItemsChanged> {
    return this.request({ method: "PUT", path: "/v1/items", body: { items }, ...options });
  }

  /** Show an item no more; its events stay. `changeItem(item, { retired: false })` brings it back. */
  retireItem(item: Id, options: RequestOptions = {}): Promise<ItemRetired> {
    return this.request({ method: "DELETE", path: pathOf("items", item), ...options });
  }

  /**
   * Queue an event; returns its id.
   *
   * @param kind What was done: a kind of event of the log, such as `click`.
   * @param item An item as a slate has it, whose slate is sent along; or an id, with the slate that showed it last.
   */
  track(kind: string, item: Id | { item: Id; slate_id?: string }, options: TrackOptions = {}): string {
    const event = this.event(kind, item, options);
    this.events.add(event);
    return event.event_id as string;
  }

  /** An event as it is sent, with an id and the slate that showed the item. */
  event(kind: string, item: Id | { item: Id; slate_id?: string }, options: TrackOptions = {}): EventBody {
    const shown = typeof item === "object" ? item : { item }, { slate_id: given, ...others } = options;
    const user = options.user ?? this.user;
    if (user === undefined) throw new ApiError("An event needs a user: give the client one, for example visitorId().", 0, "user");
    const slate = given === undefined ? (typeof item === "object" ? item.slate_id : this.slates.of(item)) : given;
    return { ...others, event_id: options.event_id ?? randomId(), user, item: shown.item, kind, ...(slate ? { slate_id: slate } : {}) };
  }

  /** Store events now, all or none; events without an id get one, so that a repeated request stores them once. */
  async send(events: readonly EventBody[], options: RequestOptions = {}): Promise<EventsAnswer> {
    const named = events.map((event) => ({ ...event, event_id: event.event_id ?? randomId() }));
    return (await this.post("/v1/events", { events: named }, options)) as EventsAnswer;
  }

  /** Send the events that wait. Returns how many still wait, because the server does not take them at the moment. */
  flush(): Promise<number> { return this.events.flush(); }

  /** Send the events that wait, and stop listening to the page. Returns how many could not be sent. */
  async close(): Promise<number> {
    if (typeof document !== "undefined") {
      removeEventListener("pagehide", this.onPageHide);
      document.removeEventListener("visibilitychange", this.onHidden);
    }
    const left = await this.flush();
    this.events.stop();
    return left;
  }

  /** Change whom requests and events are about, with the token of the new user. Events that wait are sent before. */
  async identify(user: Id | undefined, userToken?: TokenSource): Promise<void> {
    await this.flush();
    this.user = user;
    this.transport.speakFor(userToken);
  }

  /** Any other request of the interface, with the same key, timeout, retries and errors. */
  async request<Answer>(call: Call): Promise<Answer> { return (await this.transport.send(call)) as Answer; }

  private post(path: string, body: unknown, options: RequestOptions): Promise<unknown> {
    return this.transport.send({ method: "POST", path, body, ...options });
  }

  private aboutUser<Request extends { user?: Id | null; history?: Id[] | null }>(request: Request): Request {
    if (this.user === undefined || "user" in request || "history" in request) return request;
    return { ...request, user: this.user };
  }

  private shown<Answer extends { slate_id: string; items: ItemAnswer[]; first_position?: number }>(slate: Answer): Omit<Answer, "items"> & { items: ShownItem[] } {
    return { ...slate, items: this.slates.remember(slate.slate_id, slate.items, slate.first_position) };
  }

  private readonly onPageHide = (): void => this.events.beacon();
  private readonly onHidden = (): void => { if (document.visibilityState === "hidden") void this.events.flush(true); };
}

/** The address of one item or user. */
function pathOf(what: "items" | "users", id: Id): string { return `/v1/${what}/${encodeURIComponent(id)}`; }

