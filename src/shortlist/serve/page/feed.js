// The list behind an endless feed, without its drawing.

const MOST = 150;  // items of one feed

export class Feed {
  // `load(shown)`: the next part, nothing of what is shown. `draw(slate)`: adds it. `watch()`, `unwatch()`: report when
  // the end of the list comes into sight.
  constructor({ load, draw, watch, unwatch }) {
    Object.assign(this, { load, draw, watch, unwatch });
    this.shown = [];
    this.busy = false;
    this.ended = false;
  }

  // Load the next part. An observer is silent while the end stays in sight (a tall screen, a fast wheel), so it is
  // started anew after each part. After an error it is started anew, too: `more` can be tried again.
  async more() {
    if (this.busy || this.ended) return;
    this.busy = true;
    this.unwatch();
    try {
      const slate = await this.load(this.shown);
      if (this.ended) return;
      this.shown.push(...slate.items.map((row) => row.item));
      await this.draw(slate);
      if (slate.items.length && this.shown.length <= MOST) this.watch();
    } finally { this.busy = false; }
  }

  end() {
    this.ended = true;
    this.unwatch();
  }
}
