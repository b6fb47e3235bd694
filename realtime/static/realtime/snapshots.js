/**
 * What is held back while the page fetches its present state, and that it is fetched again until it is whole.
 *
 * Separate from the client because it is one small machine of its own: stale, fetching, whole.
 *
 * @module
 */

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Reset} Reset */

/**
 * @typedef {object} Owner
 * @property {(reset: Reset | null) => unknown} fetch has the page fetch and show its state
 * @property {(message: Message) => void} release takes a message that was held
 * @property {(error: unknown) => void} failed gives the line up: a snapshot is tried again on the next one
 */

const MOST_HELD = 10_000;

export class Snapshots {
  /** @type {Owner} */ #owner;
  /** @type {Message[] | null} what arrived while one is under way */ #held = null;
  #turn = 0;
  /** @type {Promise<unknown>} */ #running = Promise.resolve();
  /** @type {import("./place.js").Place} where it says whether the page is whole */ #place;

  /** @param {Owner} owner @param {import("./place.js").Place} place */
  constructor(owner, place) {
    this.#owner = owner;
    this.#place = place;
  }

  get isUnderWay() {
    return this.#held !== null;
  }

  /** @param {Message} message */
  hold(message) {
    if (Number(this.#held?.push(message)) > MOST_HELD) this.#owner.failed(new Error("too much to hold back"));
  }

  /** Have the state fetched anew, and hold back what comes meanwhile. @param {Reset | null} reset */
  async fetch(reset) {
    const turn = ++this.#turn;
    const isWanted = () => turn === this.#turn;
    this.#place.isStale = true;
    // What was held before a reset belongs to before it, perhaps to another history.
    this.#held = (!reset && this.#held) || [];
    // One at a time: an older snapshot that answers late must not overwrite a newer one.
    const fetched = this.#running.then(() => (isWanted() ? this.#owner.fetch(reset) : undefined));
    this.#running = fetched.catch(() => undefined);
    try {
      await fetched;
    } catch (error) {
      if (isWanted()) this.#owner.failed(error);
    }
    if (isWanted()) this.#release();
  }

  /** The line is gone: what was held is above the cursor, so the next line replays it. */
  forget() {
    this.#held = null;
    this.#turn++;
  }

  #release() {
    const held = this.#held ?? [];
    this.#held = null;
    this.#place.isStale = false;
    this.#place.cursor = this.#place.cursor; // now it may be kept
    // By way of the owner: a handler may ask for another snapshot, and then the rest is held again.
    for (const message of held) this.#owner.release(message);
  }
}
