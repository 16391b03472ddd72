// Built from clients/typescript by `make clients`; changes belong there.
// Events wait here until they are sent in batches; what fails for a time is sent again.
import { ApiError } from "./errors.js";
import { delayBefore } from "./transport.js";
const PATH = "/v1/events";
const MOST_BYTES = 60_000; // browsers take 64 KiB in all while a page is closed, and servers take no more with a public key
const MOST_EVENTS = 1_000;
const MOST_WAITING = 10_000;
const LONGEST_DELAY = 60; // seconds
const MOST_FAULTS = 5; // answers 500, one after another
const LATE = 5_000; // ms; an event that is sent sooner takes the time of the server, whose clock is right
export class EventQueue {
    transport;
    waiting = [];
    sending = [];
    draining = null;
    timer;
    failures = 0;
    clockIsWrong = false;
    batchSize;
    flushInterval;
    onError;
    constructor(transport, options) {
        this.transport = transport;
        this.batchSize = Math.max(1, Math.min(options.batchSize ?? 50, MOST_EVENTS));
        this.flushInterval = options.flushInterval ?? 2_000;
        this.onError = options.onError ?? ((error, events) => console.warn(`${events.length} events were not sent: ${error.message}`));
    }
    /** Events that are not yet accepted. */
    get size() { return this.waiting.length + this.sending.length; }
    add(event) {
        this.waiting.push({ event, at: Date.now() });
        if (this.waiting.length > MOST_WAITING) {
            const lost = this.waiting.splice(0, this.waiting.length - MOST_WAITING);
            this.report(new ApiError(`More than ${MOST_WAITING} events wait for the server; the oldest are given up.`, 0), lost);
        }
        if (this.waiting.length >= this.batchSize && this.failures === 0)
            void this.flush();
        else
            this.schedule(this.flushInterval);
    }
    /** Send all that waits. Returns the number of events that still wait, because the server does not take them at the moment. */
    async flush(keepalive = false) {
        if (this.draining === null)
            this.draining = this.drain(keepalive).finally(() => { this.draining = null; });
        await this.draining;
        return this.size;
    }
    /** Hand all that is not accepted to the browser, which sends it while the page is closed. What arrives twice counts once. */
    beacon() {
        const all = [...this.sending, ...this.waiting];
        while (all.length) {
            const batch = takeBatch(all, MOST_EVENTS);
            if (!this.transport.beacon(PATH, JSON.stringify(this.transport.signed({ events: this.bodies(batch) }))))
                return;
            for (const one of batch) {
                const at = this.waiting.indexOf(one);
                if (at >= 0)
                    this.waiting.splice(at, 1);
            }
        }
    }
    stop() {
        clearTimeout(this.timer);
        this.timer = undefined;
    }
    schedule(milliseconds) {
        this.timer ??= setTimeout(() => { this.timer = undefined; void this.flush(); }, milliseconds);
    }
    async drain(keepalive) {
        this.stop();
        while (this.waiting.length) {
            this.sending = takeBatch(this.waiting, this.batchSize);
            try {
                (await this.transport.send({ method: "POST", path: PATH, body: { events: this.bodies(this.sending) }, keepalive }));
                this.failures = 0;
            }
            catch (error) {
                const failure = error instanceof ApiError ? error : new ApiError(String(error), 0, "events");
                this.waiting.unshift(...this.kept(failure));
                if (this.passes(failure)) {
                    this.failures += 1;
                    this.stop();
                    this.schedule(1000 * delayBefore(this.failures + 3, failure.retryAfter, LONGEST_DELAY));
                    return;
                }
            }
            finally {
                this.sending = [];
            }
        }
    }
    /** Whether a failure passes by itself. A fault of the server can be due to the events, and does not hold up others for ever. */
    passes(error) {
        return error.temporary || (error.status >= 500 && this.failures < MOST_FAULTS);
    }
    /** The events of a refused batch that are sent again: all, where the fault passes; the others, where one event is wrong. */
    kept(error) {
        if (this.passes(error))
            return this.sending;
        const [, number, field] = /^events\.(\d+)\.(\w+)/.exec(error.field ?? "") ?? [];
        const wrong = number === undefined ? undefined : this.sending[Number(number)];
        if (wrong === undefined) {
            this.report(error, this.sending);
            return [];
        }
        if (field === "timestamp" && wrong.event.timestamp === undefined && !this.clockIsWrong) {
            this.clockIsWrong = true; // it is ahead of the server's: from now on, the server's counts
            return this.sending;
        }
        this.report(error, [wrong]);
        return this.sending.filter((one) => one !== wrong);
    }
    bodies(batch) {
        const now = Date.now();
        return batch.map(({ event, at }) => (event.timestamp === undefined && now - at > LATE && !this.clockIsWrong ? { ...event, timestamp: at } : event));
    }
    report(error, lost) {
        this.onError(error, lost.map((one) => one.event));
    }
}
/** Take events from the front: as many as one request may have, and at least one. */
function takeBatch(waiting, most) {
    let count = 0, bytes = 0;
    for (const { event } of waiting.slice(0, most)) {
        bytes += 3 * JSON.stringify(event).length + 40; // a character has three bytes at most; 40 for a timestamp
        if (count > 0 && bytes > MOST_BYTES)
            break;
        count += 1;
    }
    return waiting.splice(0, count);
}
