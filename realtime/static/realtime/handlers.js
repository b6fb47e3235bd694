/**
 * Who is called for what, and that a handler which fails stops neither the others nor the client.
 *
 * @module
 */

/** @template T */
export class Handlers {
  /** @type {Map<string, Set<(value: T) => void>>} */ #byType = new Map();
  /** @type {import("./options.js").Log} */ #log;

  /** @param {import("./options.js").Log} log */
  constructor(log) {
    this.#log = log;
  }

  /** @param {string} type @param {(value: T) => void} handler @returns {() => void} takes the handler away again */
  on(type, handler) {
    const handlers = this.#byType.get(type) ?? new Set();
    this.#byType.set(type, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** @param {string} type @param {T} value */
  call(type, value) {
    for (const handler of [...(this.#byType.get(type) ?? [])]) this.guard(() => handler(value));
  }

  /** @param {() => unknown} action */
  guard(action) {
    try {
      action();
    } catch (error) {
      this.#log("error", "a handler failed", error);
    }
  }
}
