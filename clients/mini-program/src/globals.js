/**
 * The globals of a browser that the client uses and a mini-program has not. The bundle takes these instead.
 *
 * @module
 */

const PARTS = /^([a-z]+:)\/\/([^/?#]+)([^?#]*)(\?[^#]*)?/i;

/** An address that can be joined, have its scheme changed and its query set. */
export class URL {
  /** @type {Map<string, string>} */ #query = new Map();

  /** @param {string} address @param {string | URL} [base] */
  constructor(address, base) {
    const own = PARTS.exec(address);
    const [, protocol, host, path = "", query = ""] = own ?? PARTS.exec(String(base)) ?? [];
    if (!protocol) throw new TypeError(`${address} is no address: it begins with wss:// or https://`);
    this.protocol = protocol;
    this.host = host;
    this.pathname = own ? path : address.startsWith("/") ? address : path.replace(/[^/]*$/, "") + address;
    for (const pair of own ? query.slice(1).split("&").filter(Boolean) : []) {
      const [name, value = ""] = pair.split("=");
      this.#query.set(decodeURIComponent(name), decodeURIComponent(value));
    }
  }

  get searchParams() {
    return { set: (/** @type {string} */ name, /** @type {string} */ value) => void this.#query.set(name, value) };
  }

  get href() {
    const pairs = [...this.#query].map((pair) => pair.map(encodeURIComponent).join("="));
    return `${this.protocol}//${this.host}${this.pathname}${pairs.length ? "?" : ""}${pairs.join("&")}`;
  }

  toString() {
    return this.href;
  }
}

/** `wx.request` has a time-out of its own: it is told how long. */
export const AbortSignal = { timeout: (/** @type {number} */ timeoutMs) => ({ timeoutMs }) };

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** @param {string} text in base64 */
export function atob(text) {
  const digits = [...text.replace(/=+$/, "")].map((digit) => DIGITS.indexOf(digit));
  const bits = digits.map((digit) => digit.toString(2).padStart(6, "0")).join("");
  return (bits.match(/.{8}/g) ?? []).map((byte) => String.fromCharCode(parseInt(byte, 2))).join("");
}
