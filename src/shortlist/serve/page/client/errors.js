// Built from clients/typescript by `make clients`; changes belong there.
/** What a request ended with, where it did not end with an answer. */
export class ApiError extends Error {
    status;
    field;
    retryAfter;
    requestId;
    name = "ApiError";
    /**
     * @param message The server's sentence, or why there is no answer.
     * @param status HTTP status; 0 where the server did not answer, and where the client refused the call.
     * @param field Field of the request that is wrong, such as `weights.fame`; null where the server names none.
     * @param retryAfter Seconds after which the server wants to be asked again (`Retry-After`); null where it does not say.
     * @param requestId Id of the request in the server's logs.
     */
    constructor(message, status, field = null, retryAfter = null, requestId = null) {
        super(message);
        this.status = status;
        this.field = field;
        this.retryAfter = retryAfter;
        this.requestId = requestId;
    }
    /** Whether the same request can succeed later: no answer, too many requests, or a server that is not ready. */
    get temporary() {
        return (this.status === 0 && this.field === null) || TEMPORARY.has(this.status);
    }
}
const TEMPORARY = new Set([408, 429, 502, 503, 504]);
const HTTP_DATE = / GMT$/;
/** Read an answer. The text need not be JSON: a proxy may send anything. Throws `ApiError` for all but a success in JSON. */
export function parseAnswer(status, text, headers) {
    let data;
    try {
        data = JSON.parse(text);
    }
    catch {
        data = undefined;
    }
    if (status >= 200 && status < 300 && data !== undefined)
        return data;
    const { error, field } = (typeof data === "object" && data !== null ? data : {});
    const sentence = typeof error === "string" && error ? error : `The server answered ${status} without an explanation. Its log names the reason.`;
    throw new ApiError(sentence, status, typeof field === "string" ? field : null, secondsOf(headers?.get("retry-after")), headers?.get("x-request-id") ?? null);
}
/** Seconds of a `Retry-After` header, which has a number of seconds or a date; null where it has neither. */
export function secondsOf(header, now = Date.now()) {
    if (!header)
        return null;
    if (/^\d+$/.test(header.trim()))
        return Number(header);
    const date = HTTP_DATE.test(header) ? Date.parse(header) : NaN;
    return Number.isNaN(date) ? null : Math.max(0, (date - now) / 1000);
}
