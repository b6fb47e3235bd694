/**
 * Plots of the history, one per box of the page, drawn by uPlot.
 *
 * @module
 */

import { find } from "./dom.js";

/** @typedef {import("./history.js").History} History */
/** @typedef {{name: string, label: string, width?: number}} Line */

/** Vendored, and loaded by the page ahead of its modules. @type {typeof import("../vendor/uplot/uPlot.js")} */
const uPlot = /** @type {any} */ (globalThis).uPlot;

const HEIGHT = 170;
const COLOURS = 6;
const LEAST_SECONDS = 60; // that a plot spans, so that the first points are no storm

export class Plot {
  /** @type {HTMLElement} */ #box;
  /** @type {import("../vendor/uplot/uPlot.js") | null} */ #drawn = null;
  /** @type {string} */ #drawnOf = "";
  /** @type {(history: History) => Line[]} */ #lines;

  /** @param {string} selector of the box @param {(history: History) => Line[]} lines what it shows, as of some history */
  constructor(selector, lines) {
    this.#box = find(selector);
    this.#lines = lines;
    new ResizeObserver(() => this.#drawn?.setSize({ width: this.#box.clientWidth, height: HEIGHT })).observe(this.#box);
  }

  /** @param {History} history */
  show(history) {
    const lines = this.#lines(history);
    const columns = /** @type {any} */ (history.columns(lines.map(({ name }) => name)));
    const of = lines.map(({ name }) => name).join();
    if (this.#drawn && of === this.#drawnOf) this.#drawn.setData(columns);
    else {
      this.#drawn?.destroy();
      this.#drawnOf = of;
      this.#drawn = new uPlot(this.#options(lines), columns, this.#box);
    }
    // Without a pointer over it, the legend has the newest values.
    if (!this.#box.matches(":hover")) this.#drawn.setLegend({ idx: history.times.length - 1 }, false);
  }

  /** Draw anew at the next data: the page has other colours now. */
  forget() {
    this.#drawnOf = "\u0000";
  }

  /** @param {Line[]} lines @returns {any} */
  #options(lines) {
    const style = getComputedStyle(this.#box);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--body-quiet-color"), font: `11px ${style.fontFamily}` };
    const grid = { stroke: colour("--hairline-color"), width: 1 };
    return {
      width: this.#box.clientWidth,
      height: HEIGHT,
      cursor: { points: { size: 6 } },
      legend: { live: true },
      scales: {
        x: { range: (/** @type {any} */ _, /** @type {number} */ first, /** @type {number} */ last) => [Math.min(first, last - LEAST_SECONDS), last] },
        y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ most) => [0, Math.max(1, most * 1.15)] },
      },
      axes: [
        { ...axis, grid, ticks: { show: false }, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(clock) },
        { ...axis, grid, ticks: { show: false }, size: 46 },
      ],
      series: [
        { label: "", value: (/** @type {any} */ _, /** @type {number | null} */ at) => (at === null ? "" : clock(at)) },
        ...lines.map(({ label, width = 1.75 }, index) => ({
          label,
          width,
          stroke: colour(`--plot-${(index % COLOURS) + 1}`),
          points: { show: false },
          spanGaps: false,
          value: (/** @type {any} */ _, /** @type {number | null} */ value) => (value === null ? "–" : String(Math.round(value * 10) / 10)),
        })),
      ],
    };
  }
}

/** @param {number} seconds */
function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang || "en", { hour12: false });
}
