/**
 * Renews the token of a line before it expires, so that a page that stays open is never shut out.
 *
 * Separate because it is about time alone: a WebSocket is handed the new token, a stream is exchanged for another, and
 * what polls takes the new one along by itself.
 *
 * @module
 */

import { keepFor } from "./token.js";

/** @typedef {import("./environment.js").Environment} Environment */

const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Renewal {
  /** @type {Environment} */ #environment;
  /** @type {() => void} */ #renew;
  /** @type {any} */ #timer;
  /** How far the server's clock is ahead of this machine's. */
  #ahead = 0;

  /** @param {() => void} renew @param {Environment} environment */
  constructor(renew, environment) {
    this.#renew = renew;
    this.#environment = environment;
  }

  /** The line is good until then. @param {string | null | undefined} expiresAt @param {string} [serverTime] */
  plan(expiresAt, serverTime) {
    const { setTimeout, now } = this.#environment;
    this.cancel();
    if (serverTime) this.#ahead = Date.parse(serverTime) - now() || 0;
    const left = Date.parse(expiresAt ?? "") - this.#ahead - now();
    if (Number.isNaN(left)) return;
    this.#timer = setTimeout(this.#renew, Math.min(Math.max(0, keepFor(left)), LONGEST_TIMER_MS));
  }

  cancel() {
    this.#environment.clearTimeout(this.#timer);
  }
}
