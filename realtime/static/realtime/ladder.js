/**
 * Which transport to try next: down when one fails, up again when a better one may work.
 *
 * Separate because it is pure: it counts what it is told and opens nothing.
 *
 * A transport that has worked here must fail five times before the next is tried, one that never has only once: a proxy
 * that refuses upgrades does so from the start. The next one being tried is not yet a fall. Should all below fail too,
 * it is the server that is away, and the best is asked first again.
 *
 * @module
 */

export const FAILURES = 5;

export class Ladder {
  /** @type {string[]} best first */ #rungs;
  /** @type {Map<string, {failures: number, worked: boolean}>} */ #tallies = new Map();
  /** Where an attempt begins. */
  #at = 0;
  /** How far down the present attempt has come. */
  #tried = 0;

  /** @param {string[]} rungs best first */
  constructor(rungs) {
    this.#rungs = rungs;
  }

  /** The transports better than the present one, best first. */
  get better() {
    return this.#rungs.slice(0, this.#at);
  }

  /** The transports that would be fallen to. */
  get worse() {
    return this.#rungs.slice(this.#at + 1);
  }

  /** @returns {string} what to try first in a new attempt */
  begin() {
    this.#tried = this.#at;
    return this.#rungs[this.#at];
  }

  /**
   * The transport that was tried or lived has ended.
   *
   * @param {{isBlamed: boolean, wasSteady: boolean, isBlocked: boolean}} how `isBlamed`: it broke, rather than the
   *   server having said why; `wasSteady`: after it held for a while; `isBlocked`: something on the way holds it back
   * @returns {string | null} what to try at once; null to wait and begin again
   */
  failed({ isBlamed, wasSteady, isBlocked }) {
    const tally = this.#tally(this.#rungs[this.#tried]);
    if (wasSteady) tally.failures = 0;
    if (!isBlamed) return null;
    tally.failures++;
    const isSpent = isBlocked || tally.failures >= (tally.worked ? FAILURES : 1);
    return isSpent ? (this.#rungs[++this.#tried] ?? null) : null;
  }

  /** The server has greeted over this transport: here we stay. @param {string} name */
  stand(name) {
    this.#at = this.#tried = this.#rungs.indexOf(name);
    this.#tally(name).worked = true;
  }

  /** Begin at the top, as on another network: what was blocked there may not be here. @param {string[]} [rungs] */
  forget(rungs) {
    if (rungs) this.#rungs = rungs;
    this.#tallies.clear();
    this.#at = this.#tried = 0;
  }

  /** @param {string} name */
  #tally(name) {
    const tally = this.#tallies.get(name) ?? { failures: 0, worked: false };
    this.#tallies.set(name, tally);
    return tally;
  }
}
