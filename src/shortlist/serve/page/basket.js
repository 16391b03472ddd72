// A basket: item → { title, price, currency, value, slate, facts }.

export class Basket {
  constructor() { this.items = new Map(); }

  get size() { return this.items.size; }

  add(item, details) { this.items.set(item, details); }

  remove(item) { this.items.delete(item); }

  clear() { this.items.clear(); }

  get titles() { return [...this.items.values()].map((one) => one.title); }

  get prices() { return [...this.items.values()].map(({ price, currency }) => ({ price, currency })); }
}

// The items that go with most of a basket: their scores are summed over the lists of all its items.
export function complementsOf(inBasket, lists, n = 4) {
  const found = new Map();
  for (const row of lists.flat()) {
    const known = found.get(row.item) ?? { ...row, score: 0 };
    known.score += row.score;
    found.set(row.item, known);
  }
  return [...found.values()].filter((row) => !inBasket.has(row.item)).sort((a, b) => b.score - a.score).slice(0, n);
}
