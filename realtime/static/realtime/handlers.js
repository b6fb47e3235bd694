/**
 * Who is called for what, and that a handler which fails stops neither the others nor the client.
 *
 * @module
 */

/** @template T */
export class Handlers {
  /** @type {Map<string, Set<(value: T) => unknown>>} */ #byType = new Map();
  /** @type {import("./options.js").Log} */ #log;

  /** @param {import("./options.js").Log} log */
  constructor(log) {
    this.#log = log;
  }

  /** @param {string} type @param {(value: T) => unknown} handler @returns {() => void} takes the handler away again */
  on(type, handler) {
    const handlers = this.#byType.get(type) ?? new Set();
    this.#byType.set(type, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** @param {string} type @param {T} value @returns {(boolean | Promise<boolean>)[]} whether each of them succeeded */
  call(type, value) {
    return [...(this.#byType.get(type) ?? [])].map((handler) => this.guard(() => handler(value)));
  }

  /** @param {() => unknown} action @returns {boolean | Promise<boolean>} whether it succeeded, when that is known */
  guard(action) {
    const failed = (/** @type {unknown} */ error) => {
      this.#log("error", "a handler failed", error);
      return false;
    };
    try {
      const outcome = action();
      return outcome instanceof Promise ? outcome.then(() => true, failed) : true;
    } catch (error) {
      return failed(error);
    }
  }
}
