/**
 * Rows of one sort as they are known: each in its newest version, whatever comes late or twice.
 *
 * Separate because the book, what was looked for in it, and the rules each keep rows so.
 *
 * @module
 */

/** @typedef {{id: string, version: number, [key: string]: any}} Row */

const REMEMBERED_DELETIONS = 1000;

/** Rows by id, and lately deleted ids: an answer that comes late must not bring a row back. */
export class Shelf {
  /** @type {Map<string, Row>} */ rows = new Map();
  /** @type {Map<string, number>} */ #deleted = new Map();

  /** @param {Iterable<Row>} rows */
  load(rows) {
    this.rows = new Map([...rows].map((row) => [row.id, row]));
    this.#deleted.clear();
  }

  /**
   * Put a row in its newest version; false when a newer one, or its deletion, is known.
   *
   * @param {Row} row @param {string} action
   */
  put(row, action) {
    const deleted = this.#deleted.get(row.id) ?? -1;
    // What moved to another audience is deleted here and created there, in one and the same version.
    if (deleted > row.version || (deleted === row.version && action !== "created")) return false;
    if ((this.rows.get(row.id)?.version ?? -1) >= row.version) return false;
    this.#deleted.delete(row.id);
    this.rows.set(row.id, row);
    return true;
  }

  /** @param {string} id @param {number} version the one it had last; false when a newer one is known */
  remove(id, version) {
    if ((this.rows.get(id)?.version ?? -1) > version) return false;
    this.#deleted.set(id, version);
    for (const oldest of this.#deleted.keys()) {
      if (this.#deleted.size <= REMEMBERED_DELETIONS) break;
      this.#deleted.delete(oldest);
    }
    return this.rows.delete(id);
  }
}
