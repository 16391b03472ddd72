// Built from clients/typescript by `make clients`; changes belong there.
const REMEMBERED = 5_000;
export class SlateMemory {
    slates = new Map();
    /** The items of a slate, each with its slate and place; they are remembered. */
    remember(slate_id, items, first = 0) {
        return items.map((item, place) => {
            const id = String(item.item);
            this.slates.delete(id); // the latest are last
            this.slates.set(id, slate_id);
            if (this.slates.size > REMEMBERED)
                this.slates.delete(this.slates.keys().next().value);
            return { ...item, slate_id, position: first + place };
        });
    }
    /** The slate that showed an item last. */
    of(item) {
        return this.slates.get(String(item));
    }
}
