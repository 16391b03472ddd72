export { ShortlistClient } from "./client.js";
export type { ClientOptions, GivenItem, Page, PageRequest, Ranking, RankRequest, RecommendRequest, Row, SimilarRequest, Slate, TrackOptions } from "./client.js";
export { ApiError, parseAnswer } from "./errors.js";
export type { OnError } from "./events.js";
export { randomId, visitorId } from "./ids.js";
export type { components, ErrorAnswer, EventBody, EventsAnswer, ItemAnswer, paths } from "./openapi.js";
export type { Id, ShownItem } from "./slates.js";
export type { Call, RequestOptions, TokenSource } from "./transport.js";
