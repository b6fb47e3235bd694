/**
 * Keeps one line to the server open: connecting, live, waiting or stopped, and when to try again.
 *
 * Separate from the client, which knows what travels over the line: this module only knows that something
 * was heard, and what a close code says about coming back.
 *
 * @module
 */

/** @typedef {"connecting" | "live" | "waiting" | "stopped"} State */

/**
 * @typedef {object} Status
 * @property {State} state
 * @property {number} code close code that led here, 0 when there was none
 * @property {boolean} signIn true when only a new sign-in can help
 * @property {number} retryInMs how long the present wait lasts
 */

/**
 * What is taken from outside: the clock, chance, the socket, and who says that the page woke.
 *
 * @typedef {object} Environment
 * @property {new (url: string) => WebSocket} WebSocket
 * @property {(action: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now
 * @property {() => number} random
 * @property {EventTarget | undefined} window
 * @property {Document | undefined} document
 */

/**
 * @typedef {object} Owner
 * @property {() => string} address where to connect this time
 * @property {(text: string) => void} heard
 * @property {(status: Status) => void} changed
 * @property {(message: string, detail?: unknown) => void} warn
 */

/** @typedef {{send: (text: string) => void, close: () => void}} Line */

export const BACK_OFF_SECONDS = [2, 4, 8, 16, 32];
const SHORTEST_WAIT_MS = 100;
const PATIENT_WAIT_MS = 4000;
const CONNECT_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 5000;
// A line that held this long was a good one: the next failure starts the back-off anew.
const STEADY_MS = 10_000;

/** What browsers report when a line broke without a close frame. */
export const ABNORMAL = 1006;
const TOKEN_EXPIRED = 4401;
// Sooner than asked would only be refused again, so waking up does not cut these waits short.
const PATIENT_CODES = new Set([4429, 4430]);
const SIGN_IN_CODES = new Set([TOKEN_EXPIRED, 4501, 4503]);

export class Connection {
  /** @type {Owner} */ #owner;
  /** @type {Environment} */ #environment;
  /** @type {Status} */ #status = { state: "stopped", code: 0, signIn: false, retryInMs: 0 };
  /** @type {Line | null} */ #line = null;
  /** @type {any} the one timer, for whatever the present state waits for */ #timer;
  #attempts = 0;
  #liveSince = 0;
  #lastHeard = 0;
  #silenceMs = 0;

  /** @param {Owner} owner @param {Partial<Environment>} [environment] */
  constructor(owner, environment) {
    this.#owner = owner;
    this.#environment = { ...browser(), ...environment };
  }

  get status() {
    return this.#status;
  }

  /** Connect, and stay connected until `stop()` or until the server says that it is of no use. */
  start() {
    if (this.#status.state !== "stopped") return;
    this.#attempts = 0;
    this.#listen("addEventListener");
    this.#connect();
  }

  /** @param {number} [code] */
  stop(code = 0) {
    this.#drop();
    this.#listen("removeEventListener");
    this.#set("stopped", code);
  }

  /** The server has greeted: the line is live, and dead after `silenceMs` without a word. @param {number} silenceMs */
  greeted(silenceMs) {
    this.#liveSince = this.#environment.now();
    this.#silenceMs = silenceMs;
    this.#watchSilence();
    this.#set("live", 0);
  }

  /** Send on a live line; on any other this does nothing. @param {string} text */
  send(text) {
    if (this.#status.state === "live") this.#line?.send(text);
  }

  /** Give the line up; stop or come back later, as `code` says. @param {number} code */
  lose(code) {
    const { now, random } = this.#environment;
    if (this.#status.state === "live" && now() - this.#liveSince >= STEADY_MS) this.#attempts = 0;
    this.#drop();
    if (code === TOKEN_EXPIRED || (code >= 4500 && code <= 4999)) return this.stop(code);
    const step = Math.min(this.#attempts++, BACK_OFF_SECONDS.length - 1);
    const shortest = PATIENT_CODES.has(code) ? PATIENT_WAIT_MS : SHORTEST_WAIT_MS;
    // Full jitter: after a restart the clients come back spread out, not as one wave.
    const ms = Math.max(shortest, BACK_OFF_SECONDS[step] * 1000 * random());
    this.#after(ms, () => this.#connect());
    this.#set("waiting", code, ms);
  }

  /** Try now instead of later; on a live line, find out quickly whether it still carries anything. */
  wake() {
    const { state, code } = this.#status;
    if (state === "waiting" && !PATIENT_CODES.has(code)) this.#connect();
    else if (state === "live") this.#probe();
  }

  #connect() {
    this.#set("connecting", 0);
    /** @type {Line | null} */
    let line = null;
    // A line that was given up may still speak: nobody listens to it any more.
    const current = () => line !== null && line === this.#line;
    try {
      line = openWebSocket(this.#environment.WebSocket, this.#owner.address(), {
        heard: (text) => current() && this.#heard(text),
        closed: (code) => current() && this.lose(code),
      });
    } catch (error) {
      this.#owner.warn("the socket could not be opened", error);
      return this.lose(ABNORMAL);
    }
    this.#line = line;
    this.#after(CONNECT_TIMEOUT_MS, () => this.lose(ABNORMAL));
  }

  /** @param {string} text */
  #heard(text) {
    this.#lastHeard = this.#environment.now();
    this.#owner.heard(text);
  }

  #drop() {
    const line = this.#line;
    this.#line = null;
    this.#environment.clearTimeout(this.#timer);
    line?.close();
  }

  #watchSilence() {
    const left = this.#lastHeard + this.#silenceMs - this.#environment.now();
    if (left <= 0) this.lose(ABNORMAL);
    else this.#after(left, () => this.#watchSilence());
  }

  #probe() {
    const asked = this.#environment.now();
    this.#lastHeard = Math.min(this.#lastHeard, asked - 1);
    this.send(JSON.stringify({ command: "Ping" }));
    const answered = () => this.#lastHeard >= asked;
    this.#after(PROBE_TIMEOUT_MS, () => (answered() ? this.#watchSilence() : this.lose(ABNORMAL)));
  }

  /** @param {"addEventListener" | "removeEventListener"} method */
  #listen(method) {
    const { window, document } = this.#environment;
    for (const type of ["online", "offline", "pageshow"]) window?.[method](type, this.#woken);
    document?.[method]("visibilitychange", this.#woken);
  }

  #woken = (/** @type {Event} */ { type }) => {
    if (type === "online") this.#attempts = 0;
    if (type !== "visibilitychange" || !this.#environment.document?.hidden) this.wake();
  };

  /** @param {number} ms @param {() => void} action */
  #after(ms, action) {
    this.#environment.clearTimeout(this.#timer);
    this.#timer = this.#environment.setTimeout(action, ms);
  }

  /** @param {State} state @param {number} code @param {number} [retryInMs] */
  #set(state, code, retryInMs = 0) {
    this.#status = { state, code, signIn: state === "stopped" && SIGN_IN_CODES.has(code), retryInMs };
    this.#owner.changed(this.#status);
  }
}

/**
 * @param {new (url: string) => WebSocket} WebSocket @param {string} url
 * @param {{heard: (text: string) => void, closed: (code: number) => void}} listener
 * @returns {Line}
 */
function openWebSocket(WebSocket, url, listener) {
  const socket = new WebSocket(url);
  socket.onmessage = ({ data }) => listener.heard(data);
  socket.onclose = ({ code }) => listener.closed(code);
  return { send: (text) => socket.send(text), close: () => socket.close() };
}

/** @returns {Environment} */
export function browser() {
  return {
    WebSocket: globalThis.WebSocket,
    setTimeout: (action, ms) => globalThis.setTimeout(action, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    now: () => Date.now(),
    random: () => Math.random(),
    window: globalThis.window,
    document: globalThis.document,
  };
}
