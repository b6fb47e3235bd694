/**
 * What was seen lately, and no more than that.
 *
 * @module
 */

/** A set that forgets its oldest members beyond `limit`. */
export class Recent {
  /** @type {Set<string>} */ #members = new Set();

  /** @param {number} limit */
  constructor(limit) {
    this.limit = limit;
  }

  /** @param {string} member */
  has(member) {
    return this.#members.has(member);
  }

  /** Remember `member`; false when it was remembered already. @param {string} member */
  add(member) {
    if (this.#members.has(member)) return false;
    this.#members.add(member);
    for (const oldest of this.#members) {
      if (this.#members.size <= this.limit) break;
      this.#members.delete(oldest);
    }
    return true;
  }
}
