// Built from clients/typescript by `make clients`; changes belong there.
// Ids that nobody can guess. `crypto.randomUUID` exists on secure pages only, so it is not used.
/** 128 random bits, hexadecimal. */
export function randomId() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
/**
 * The id of this browser's visitor: made at the first call, and kept in the browser's storage.
 *
 * It cannot be guessed, so nobody else can ask for this visitor's slates. Where storing is not allowed, the id lasts as long as the page.
 */
export function visitorId(name = "shortlist-visitor", storage = localStorage) {
    const fresh = `v-${randomId()}`;
    try {
        const known = storage.getItem(name);
        if (known)
            return known;
        storage.setItem(name, fresh);
    }
    catch { /* the browser refuses to store */ }
    return fresh;
}
