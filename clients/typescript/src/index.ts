export { ShortlistClient } from "./client.js";
export type {
  AudienceRequest, ClientOptions, GivenItem, ItemChange, NamedItemChange, Page, PageRequest, Ranking, RankRequest, RecommendRequest, Row, SimilarRequest, Slate, TrackOptions,
} from "./client.js";
export { ApiError, parseAnswer } from "./errors.js";
export type { OnError } from "./events.js";
export { randomId, visitorId } from "./ids.js";
export type {
  AudienceAnswer, components, ErrorAnswer, EventBody, EventsAnswer, ItemAnswer, ItemChanged, ItemRetired, ItemsChanged, MemberAnswer, NamedUserBody, paths,
  SimilarUserAnswer, UserChanged, UserErased, UserExport, UsersChanged, WhyAnswer,
} from "./openapi.js";
export type { Id, ShownItem } from "./slates.js";
export type { Call, RequestOptions, TokenSource } from "./transport.js";
