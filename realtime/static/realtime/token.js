/**
 * The access token: where the page gives one, it is the credential of every line.
 *
 * Separate from the transports, which take it along each in a way of its own.
 *
 * @module
 */

import { RealtimeError } from "./failures.js";

/** @typedef {(how: {refresh: boolean}) => string | null | Promise<string | null>} GetToken */

const NO_CREDENTIAL = 4501;
const RENEW_BEFORE_MS = 60_000;

/** How long to keep what is good for `left` more milliseconds: until a minute, or a quarter of its life, before its end. */
export const keepFor = (/** @type {number} */ left) => left - Math.min(RENEW_BEFORE_MS, left / 4);

/** Asked for once, kept, and renewed before it expires. */
export class Token {
  /** @type {GetToken | undefined} */ #getToken;
  /** @type {string | null} */ #value = null;
  #renewAt = 0;
  #isSpoilt = false;

  /** @param {GetToken | undefined} getToken @param {Pick<import("./environment.js").Environment, "now">} environment */
  constructor(getToken, environment) {
    this.#getToken = getToken;
    this.environment = environment;
  }

  /** Whether there are tokens at all; without them the page's session is the credential. */
  get isUsed() {
    return Boolean(this.#getToken);
  }

  /** The next one asked for must be a fresh one. */
  spoil() {
    this.#isSpoilt = true;
  }

  /** @returns {Promise<string | null>} null for none at all; rejected when the page has no token to give */
  async get() {
    const now = this.environment.now();
    if (!this.#getToken || (this.#value && !this.#isSpoilt && now < this.#renewAt)) return this.#value;
    const value = await this.#getToken({ refresh: this.#value !== null });
    if (!value) throw new RealtimeError("unauthenticated", undefined, { close: NO_CREDENTIAL });
    // Never sooner than in ten seconds: this machine's clock may be far ahead of the server's.
    this.#renewAt = now + Math.max(10_000, keepFor(expiryOf(value) - now));
    this.#value = value;
    this.#isSpoilt = false;
    return value;
  }
}

/** What a token says of its own end, in milliseconds; never, where it says nothing. @param {string} token */
function expiryOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000 || Infinity;
  } catch {
    return Infinity;
  }
}
