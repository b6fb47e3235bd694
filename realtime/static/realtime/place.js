/**
 * The newest place up to which the page has been told everything, kept over reloads where it is given a storage.
 *
 * Separate because writing it at every event would cost more than the event.
 *
 * @module
 */

/** @typedef {import("./environment.js").Environment} Environment */
/** @typedef {Pick<Storage, "getItem" | "setItem">} Store */

const KEY = "realtime.cursor";
const WRITE_EVERY_MS = 1000;

export class Place {
  /** @type {string | undefined} */ #cursor;
  /** @type {Store | undefined} */ #storage;
  /** @type {Environment} */ #environment;
  #isWritePending = false;
  /** The page's state is not known to be whole; a snapshot mends it. Kept meanwhile, the place would leave a hole. */
  isStale = false;

  /** @param {string | undefined} cursor @param {Store | undefined} storage @param {Environment} environment */
  constructor(cursor, storage, environment) {
    this.#storage = storage;
    this.#environment = environment;
    this.#cursor = cursor ?? this.#guard(() => storage?.getItem(KEY)) ?? undefined;
    if (storage) environment.window?.addEventListener("pagehide", () => this.#write());
  }

  get cursor() {
    return this.#cursor;
  }

  /** @param {string | undefined} cursor undefined leaves it where it is */
  set cursor(cursor) {
    if (!cursor) return;
    this.#cursor = cursor;
    if (!this.#storage || this.#isWritePending) return;
    this.#isWritePending = true;
    this.#environment.setTimeout(() => this.#write(), WRITE_EVERY_MS);
  }

  #write() {
    this.#isWritePending = false;
    if (this.#cursor && !this.isStale) this.#guard(() => this.#storage?.setItem(KEY, this.#cursor ?? ""));
  }

  /** A storage may be full or forbidden: then the place is only not kept. @template T @param {() => T} action */
  #guard(action) {
    try {
      return action();
    } catch {
      return undefined;
    }
  }
}
