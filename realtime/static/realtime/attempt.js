/**
 * One line from the moment it is opened: when it counts as live, and that nobody listens to it after its end.
 *
 * Separate from the connection, which holds up to two of them, and from the transports, which need not know of time.
 *
 * @module
 */

import { ABNORMAL, endOf } from "./failures.js";

/** @typedef {import("./environment.js").Environment} Environment */
/** @typedef {import("./messages.js").Command} Command */
/** @typedef {import("./messages.js").Message} Message */

/**
 * What a transport's `open` gives: `send` a command, `probe` whether it still carries anything, `close`.
 *
 * @typedef {object} Line
 * @property {(command: Command) => void} send
 * @property {() => void} [probe] absent where the server speaks every `quietMs` by itself
 * @property {number} [quietMs]
 * @property {boolean} [isBlockedWhenSilent] true when silence means that something on the way holds it back
 * @property {boolean} [hasFixedTopics] true when other topics need another line
 * @property {() => void} close
 */

/**
 * What a transport says: a message, or the end by a code of the server's or by an error.
 *
 * @typedef {object} Listener
 * @property {(message: Message) => void} heard
 * @property {(code: number, retryAfter?: number) => void} closed
 * @property {(error: unknown) => void} failed
 */

/**
 * What a transport needs to know.
 *
 * @typedef {object} Surroundings
 * @property {Environment} environment
 * @property {import("./token.js").Token} token
 * @property {() => URL} socketUrl
 * @property {() => URL} apiUrl the address below which `events`, `stream` and the others are
 * @property {() => string[]} topics
 * @property {(kind: typeof import("./tabs.js").Tabs) => import("./tabs.js").Tabs} tabsOf those of this origin, of the kind
 * @property {() => string | undefined} cursor
 * @property {(message: string, detail?: unknown) => void} warn
 */

/** @typedef {(listener: Listener) => Line} Open */

/**
 * How a line is opened, and how long it is given until the server greets.
 *
 * @typedef {object} Transport
 * @property {number} patienceMs
 * @property {Open} [open] absent until its module has been fetched
 * @property {() => Promise<Open>} [fetch] fetches that module
 */

/**
 * @typedef {object} Told
 * @property {(attempt: Attempt) => void} greeted
 * @property {(attempt: Attempt, message: Message) => void} heard
 * @property {(attempt: Attempt, code: number, retryAfter?: number) => void} ended
 * @property {(message: string, detail?: unknown) => void} note
 */

const DEFAULT_SILENCE_SECONDS = 60;

export class Attempt {
  /** @type {Line | null} */ line = null;
  liveSince = 0;
  lastHeard = 0;
  silenceMs = 0;
  /** @type {Environment} */ #environment;
  /** @type {any} */ #timer;
  #isOver = false;

  /** @param {string} name @param {Environment} environment */
  constructor(name, environment) {
    this.name = name;
    this.#environment = environment;
  }

  /**
   * Open it; it is live when the server has greeted, and ends when it does not in time.
   *
   * @param {Transport} transport @param {Told} told
   */
  open(transport, told) {
    const closed = (/** @type {number} */ code, /** @type {number | undefined} */ retryAfter) => {
      if (this.#isOver) return;
      this.close();
      told.ended(this, code, retryAfter);
    };
    const failed = (/** @type {unknown} */ error) => {
      if (!this.#isOver) told.note(`${this.name} failed`, error);
      const { code, retryAfter } = endOf(error);
      closed(code, retryAfter);
    };
    const heard = (/** @type {Message} */ message) => {
      if (!this.#isOver) this.#hear(message, told);
    };
    const begin = (/** @type {Open | undefined} */ open) => {
      if (!this.#isOver && open) this.line = open({ heard, closed, failed });
      // Opening it may itself have ended it.
      if (this.#isOver) this.line?.close();
    };
    this.#timer = this.#environment.setTimeout(() => closed(ABNORMAL, undefined), transport.patienceMs);
    try {
      if (transport.open) begin(transport.open);
      else transport.fetch?.().then(begin).catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  close() {
    this.#isOver = true;
    this.#environment.clearTimeout(this.#timer);
    this.line?.close();
  }

  /** @param {Message} message @param {Told} told */
  #hear(message, told) {
    this.lastHeard = this.#environment.now();
    if (message.type === "Connected" && !this.liveSince) {
      this.liveSince = this.lastHeard;
      this.silenceMs = (message.data?.heartbeat?.timeout ?? DEFAULT_SILENCE_SECONDS) * 1000;
      this.#environment.clearTimeout(this.#timer);
      told.greeted(this);
    }
    told.heard(this, message);
  }
}
