/**
 * The last minutes of what was told: one column of times, and one of each series, of the same length.
 *
 * Separate from the plots so that it can be thought about without a canvas.
 *
 * @module
 */

export const MOST = 300;

/** @typedef {Record<string, number | null>} Point */

export class History {
  /** @type {number[]} */ times = [];
  /** @type {Map<string, (number | null)[]>} */ series = new Map();

  /** Take in a point; what it does not name has a gap there, and the oldest point beyond `MOST` goes. @param {number} seconds @param {Point} point */
  add(seconds, point) {
    const length = this.times.push(seconds);
    for (const name of Object.keys(point)) {
      if (!this.series.has(name)) this.series.set(name, new Array(length - 1).fill(null));
    }
    for (const [name, values] of this.series) values.push(point[name] ?? null);
    if (length <= MOST) return;
    this.times.shift();
    for (const values of this.series.values()) values.shift();
  }

  /** The columns of some series, as uPlot takes them. @param {string[]} names @returns {[number[], ...(number | null)[][]]} */
  columns(names) {
    return [this.times, ...names.map((name) => this.series.get(name) ?? new Array(this.times.length).fill(null))];
  }

  /** The names that begin with `prefix`, in order. @param {string} prefix */
  named(prefix) {
    return [...this.series.keys()].filter((name) => name.startsWith(prefix)).sort();
  }
}
