/**
 * Shows what happened at the next picture the browser makes, once, however much it was.
 *
 * Separate so that thousands of events at once, as after a long sleep, cost one look at the lists and not thousands.
 *
 * @module
 */

const MOST_AFTERTHOUGHTS = 200;

export class Painter {
  #show;
  /** @type {Map<string, () => void>} what is lit up once the lists are shown, each thing once */ #after = new Map();
  #isDue = false;

  /** @param {() => void} show */
  constructor(show) {
    this.#show = show;
  }

  /** Show everything soon, and then do `after`, unless the same `thing` has one already. @param {string} [thing] @param {() => void} [after] */
  soon(thing, after) {
    if (thing && after && !this.#after.has(thing) && this.#after.size < MOST_AFTERTHOUGHTS) this.#after.set(thing, after);
    if (this.#isDue) return;
    this.#isDue = true;
    // Nobody looks at a hidden page: there it waits until somebody does.
    requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#isDue = false;
    const after = [...this.#after.values()];
    this.#after.clear();
    this.#show();
    for (const each of after) each();
  }
}
