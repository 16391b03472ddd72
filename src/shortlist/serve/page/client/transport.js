// Built from clients/typescript by `make clients`; changes belong there.
// One way to send a request: key, timeout, retries; and the way that a page takes while it is closed.
import { ApiError, parseAnswer } from "./errors.js";
const FIRST_DELAY = 0.2; // seconds
const LONGEST_DELAY = 10; // seconds
const PUBLIC_PREFIX = "slp_";
/**
 * Seconds to wait before another attempt: exponential back-off with full jitter, so that clients that failed together do not come back
 * together. Where the server says when, no less than that.
 *
 * Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function delayBefore(attempt, retryAfter, longest = LONGEST_DELAY, random = Math.random) {
    const spread = Math.min(longest, FIRST_DELAY * 2 ** (attempt - 1)) * random();
    return retryAfter === null ? spread : retryAfter + spread;
}
export class Transport {
    url;
    key;
    token;
    tokenSource;
    timeout;
    retries;
    fetch;
    constructor(options) {
        this.url = options.url.replace(/\/+$/, "");
        this.key = options.key;
        this.speakFor(options.userToken);
        this.timeout = options.timeout ?? 10_000;
        this.retries = options.retries ?? 2;
        this.fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
    }
    /** Send this token, or none, with requests that name a user. */
    speakFor(source) {
        this.token = typeof source === "string" ? source : undefined;
        this.tokenSource = typeof source === "function" ? source : undefined;
    }
    /** A body with the token that there is, where the body names a user. */
    signed(body) {
        return this.token !== undefined && namesUser(body) ? { ...body, user_token: this.token } : body;
    }
    /** Send a request, and again after a failure that is temporary; the answer in JSON, or an `ApiError`. */
    async send(call) {
        const retries = call.retries ?? this.retries;
        let renewed = false;
        for (let attempt = 1;; attempt += 1) {
            try {
                if (this.token === undefined && this.tokenSource && namesUser(call.body))
                    this.token = await this.tokenSource();
                return await this.attempt({ ...call, body: this.signed(call.body) });
            }
            catch (error) {
                if (!renewed && this.tokenSource && error instanceof ApiError && error.status === 401 && error.field === "user_token") {
                    this.token = undefined; // too old: a new one
                    renewed = true;
                    continue;
                }
                if (!(error instanceof ApiError) || !error.temporary || attempt > retries)
                    throw error;
                if ((error.retryAfter ?? 0) > LONGEST_DELAY)
                    throw error; // the caller knows better what to do meanwhile
                await sleep(delayBefore(attempt, error.retryAfter), call.signal);
            }
        }
    }
    /** Send a body while the page is closed: the browser takes it and answers nothing. False where it takes no more. */
    beacon(path, body) {
        const isPublic = this.key?.startsWith(PUBLIC_PREFIX) ?? false;
        if (typeof navigator !== "undefined" && "sendBeacon" in navigator && (isPublic || this.key === undefined)) {
            // a beacon has no headers, and a body of another type than text needs a preflight from another origin
            const key = isPublic ? `?key=${encodeURIComponent(this.key)}` : "";
            const blob = new Blob([body], { type: isPublic ? "text/plain" : "application/json" });
            return navigator.sendBeacon(`${this.url}${path}${key}`, blob);
        }
        try {
            const sent = this.fetch(this.url + path, { method: "POST", headers: this.headers(true), body, keepalive: true });
            sent.catch(() => undefined); // the page that could send it again is gone
            return true;
        }
        catch {
            return false;
        }
    }
    headers(hasBody) {
        return { ...(this.key ? { Authorization: `Bearer ${this.key}` } : {}), ...(hasBody ? { "Content-Type": "application/json" } : {}) };
    }
    async attempt({ method, path, query = {}, body, signal, timeout = this.timeout, keepalive = false }) {
        signal?.throwIfAborted();
        const controller = new AbortController(), stop = () => controller.abort();
        const timer = setTimeout(stop, timeout);
        signal?.addEventListener("abort", stop);
        const init = { method, headers: this.headers(body !== undefined), signal: controller.signal };
        if (body !== undefined)
            init.body = JSON.stringify(body);
        if (keepalive)
            init.keepalive = true;
        try {
            const answer = await this.fetch(this.url + path + queryOf(query), init);
            return parseAnswer(answer.status, await answer.text(), answer.headers);
        }
        catch (error) {
            if (error instanceof ApiError)
                throw error;
            if (signal?.aborted)
                throw signal.reason;
            throw new ApiError(controller.signal.aborted ? `The server did not answer within ${timeout / 1000} seconds.` : "The server cannot be reached.", 0);
        }
        finally {
            clearTimeout(timer);
            signal?.removeEventListener("abort", stop);
        }
    }
}
function namesUser(body) {
    if (typeof body !== "object" || body === null || "user_token" in body)
        return false;
    return "events" in body || ("user" in body && body.user !== null && body.user !== undefined);
}
function queryOf(query) {
    const pairs = Object.entries(query).filter((pair) => pair[1] !== undefined);
    return pairs.length ? `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
}
function sleep(seconds, signal) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, seconds * 1000);
        const stop = () => { clearTimeout(timer); reject(signal?.reason); };
        signal?.addEventListener("abort", stop, { once: true });
    });
}
