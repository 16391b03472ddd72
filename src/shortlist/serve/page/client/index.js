// Built from clients/typescript by `make clients`; changes belong there.
export { ShortlistClient } from "./client.js";
export { ApiError, parseAnswer } from "./errors.js";
export { randomId, visitorId } from "./ids.js";
