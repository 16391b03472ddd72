// Where each item was last shown, so that its events name their slate without the application carrying it.
import type { ItemAnswer } from "./openapi.js";

export type Id = string | number;

/** An item of a slate, with the slate and its position (from 0; pages go on counting). The server knows it by the slate: events send the slate only. */
export type ShownItem = ItemAnswer & { slate_id: string; position: number };

const REMEMBERED = 5_000;

export class SlateMemory {
  private readonly slates = new Map<string, string>();

  /** The items of a slate, each with its slate and place; they are remembered. */
  remember(slate_id: string, items: readonly ItemAnswer[], first = 0): ShownItem[] {
    return items.map((item, place) => {
      const id = String(item.item);
      this.slates.delete(id); // the latest are last
      this.slates.set(id, slate_id);
      if (this.slates.size > REMEMBERED) this.slates.delete(this.slates.keys().next().value as string);
      return { ...item, slate_id, position: first + place };
    });
  }

  /** The slate that showed an item last. */
  of(item: Id): string | undefined {
    return this.slates.get(String(item));
  }
}
