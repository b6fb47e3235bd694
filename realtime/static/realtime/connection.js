/**
 * Keeps one line to the server open: connecting, live, waiting or stopped, over which transport, and when to try again.
 *
 * Separate from the client, which knows what travels over the line, and from the transports, which only carry it: this
 * module alone decides when a line is opened, given up, or exchanged for another.
 *
 * @module
 */

import { Attempt } from "./attempt.js";
import { CLOSE_CODES } from "./errors.js";
import { ABNORMAL } from "./failures.js";
import { Ladder } from "./ladder.js";

/** @typedef {import("./attempt.js").Transport} Transport */
/** @typedef {import("./environment.js").Environment} Environment */
/** @typedef {import("./messages.js").Command} Command */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {"connecting" | "live" | "waiting" | "stopped"} State */

/**
 * @typedef {object} Status
 * @property {State} state
 * @property {string} transport what carries, or is being tried: websocket, sse, polling, or tab (another tab's line)
 * @property {number} code close code that led here, 0 when there was none
 * @property {boolean} signIn true when only a new sign-in can help
 * @property {number} retryInMs how long the present wait lasts
 */

/**
 * @typedef {object} Owner
 * @property {Record<string, Transport>} transports
 * @property {(code: number) => boolean} canMend whether a line that was ended for good may be asked for otherwise
 * @property {(message: Message) => void} heard
 * @property {(status: Status) => void} changed
 * @property {(message: string, detail?: unknown) => void} note why a line came to nothing
 */

export const BACK_OFF_SECONDS = [2, 4, 8, 16, 32];
/** How long to stay on a lesser transport before a better one is tried beside it. */
export const CLIMB_SECONDS = [10, 20, 40, 80, 160, 320];
const SHORTEST_WAIT_MS = 100;
const PROBE_TIMEOUT_MS = 5000;
// A line that held this long was a good one: the next failure starts the back-off anew.
const STEADY_MS = 10_000;
const TOKEN_EXPIRED = 4401;
const LEAST_FINAL = 4500;

export class Connection {
  /** @type {Owner} */ #owner;
  /** @type {Environment} */ #environment;
  /** @type {Ladder} */ #ladder;
  /** @type {Status} */ #status = { state: "stopped", transport: "", code: 0, signIn: false, retryInMs: 0 };
  /** @type {Attempt | null} what carries, or is being tried */ #current = null;
  /** @type {Attempt | null} opened beside a live line to take its place */ #next = null;
  /** @type {any} for whatever the present state waits for */ #timer;
  /** @type {any} */ #lookTimer;
  #attempts = 0;
  #climbs = 0;
  #isPatient = false;

  /** @param {Owner} owner @param {string[]} transports best first @param {Environment} environment */
  constructor(owner, transports, environment) {
    this.#owner = owner;
    this.#ladder = new Ladder(transports);
    this.#environment = environment;
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
    this.#set("stopped", { code });
  }

  /** Send on a live line; on any other this does nothing. @param {Command} command */
  send(command) {
    if (this.#status.state === "live") this.#current?.line?.send(command);
  }

  /**
   * Give the line up; try another transport, come back later, or stop, as `code` says.
   *
   * @param {number} code @param {number} [retryAfter] seconds, where the server has said so
   * @param {boolean} [isSilent] it did not break: nothing came any more
   */
  lose(code, retryAfter = CLOSE_CODES[code]?.retryAfter ?? 0, isSilent = false) {
    if (this.#status.state === "stopped") return;
    const { liveSince = 0, line } = this.#current ?? {};
    const wasSteady = liveSince > 0 && this.#environment.now() - liveSince >= STEADY_MS;
    if (wasSteady) this.#attempts = 0;
    if (wasSteady && !this.#ladder.better.length) this.#climbs = 0;
    this.#drop();
    const isFinal = code >= LEAST_FINAL || code === TOKEN_EXPIRED;
    if (isFinal && !this.#owner.canMend(code)) return this.stop(code);
    const isBlocked = isSilent && Boolean(line?.isBlockedWhenSilent);
    const lower = this.#ladder.failed({ isBlamed: code === ABNORMAL, wasSteady, isBlocked });
    if (lower) this.#connect(lower);
    else this.#wait(code, retryAfter * 1000);
  }

  /** Try now instead of later; on a live line, find out quickly whether it still carries anything. */
  wake() {
    const { state } = this.#status;
    if (state === "waiting" && !this.#isPatient) this.#connect();
    else if (state === "live") this.#probe();
  }

  /** Exchange a live line for a new one of its kind where it cannot be given other topics or another token. */
  renew() {
    if (this.#current?.line?.hasFixedTopics && this.#status.state === "live") this.#tryBeside([this.#current.name]);
  }

  /** Have other transports, best first; a live line stays if it is one of them. @param {string[]} transports */
  use(transports) {
    const { state, transport } = this.#status;
    this.#ladder.forget(transports);
    if (state === "live" && transports.includes(transport)) this.#settle(transport);
    else if (state !== "stopped") this.#connect();
  }

  // --- one line after the other -------------------------------------------------------------------

  #connect(name = this.#ladder.begin()) {
    this.#drop();
    const attempt = (this.#current = new Attempt(name, this.#environment));
    this.#set("connecting");
    attempt.open(this.#owner.transports[name], {
      greeted: () => this.#settle(name),
      heard: (_, message) => this.#owner.heard(message),
      ended: (_, code, retryAfter) => this.lose(code, retryAfter),
      note: this.#owner.note,
    });
  }

  /** @param {string} name */
  #settle(name) {
    this.#ladder.stand(name);
    this.#watchSilence();
    this.#lookAroundLater();
    this.#set("live");
  }

  #drop() {
    this.#environment.clearTimeout(this.#timer);
    this.#environment.clearTimeout(this.#lookTimer);
    this.#next?.close();
    this.#current?.close();
    this.#next = this.#current = null;
  }

  /** @param {number} code @param {number} asked */
  #wait(code, asked) {
    const { random } = this.#environment;
    const step = BACK_OFF_SECONDS[Math.min(this.#attempts++, BACK_OFF_SECONDS.length - 1)] * 1000;
    // Full jitter: after a restart the clients come back spread out, not as one wave; nor do those told to wait.
    const ms = Math.max(SHORTEST_WAIT_MS, step * random(), asked * (1 + random() / 4));
    this.#isPatient = asked > 0;
    this.#after(ms, () => this.#connect());
    this.#set("waiting", { code, retryInMs: ms });
  }

  // --- another beside it --------------------------------------------------------------------------

  #lookAroundLater() {
    const { setTimeout, clearTimeout, random } = this.#environment;
    const { better } = this.#ladder;
    clearTimeout(this.#lookTimer);
    const turn = better.length && Math.min(this.#climbs++, CLIMB_SECONDS.length - 1);
    const ms = CLIMB_SECONDS[turn] * 1000 * (0.5 + random() / 2);
    this.#lookTimer = setTimeout(() => {
      this.#foresee();
      if (better.length) this.#tryBeside(better);
    }, ms);
  }

  /** Fetch what a fall would need while there is a network to fetch it by. What fails is fetched when it is needed. */
  #foresee() {
    const { transports } = this.#owner;
    for (const name of this.#ladder.worse) {
      if (!transports[name].open) transports[name].fetch?.().catch(() => undefined);
    }
  }

  /**
   * Open another line, the first of `names` that works, and only then close the present one. Both are sent what happens
   * meanwhile; the second telling is dropped by its id.
   *
   * @param {string[]} names
   */
  #tryBeside([name, ...others]) {
    this.#next?.close();
    const attempt = (this.#next = new Attempt(name, this.#environment));
    attempt.open(this.#owner.transports[name], {
      greeted: () => this.#exchange(attempt),
      heard: (_, message) => attempt === this.#current && this.#owner.heard(message),
      ended: (_, code, retryAfter) => {
        if (attempt === this.#current) return this.lose(code, retryAfter);
        this.#next = null;
        if (others.length) this.#tryBeside(others);
        else this.#lookAroundLater();
      },
      note: this.#owner.note,
    });
  }

  /** @param {Attempt} attempt */
  #exchange(attempt) {
    this.#next = null;
    this.#drop();
    this.#current = attempt;
    this.#settle(attempt.name);
  }

  // --- signs of life ------------------------------------------------------------------------------

  #watchSilence() {
    const attempt = /** @type {Attempt} */ (this.#current);
    const now = this.#environment.now();
    // This machine's clock may have been set back since.
    attempt.lastHeard = Math.min(attempt.lastHeard, now);
    const left = attempt.lastHeard + attempt.silenceMs - now;
    if (left <= 0) this.lose(ABNORMAL, 0, true);
    else this.#after(left, () => this.#watchSilence());
  }

  #probe() {
    const attempt = this.#current;
    if (!attempt?.line) return;
    const since = this.#environment.now() - (attempt.line.quietMs ?? 0);
    attempt.lastHeard = Math.min(attempt.lastHeard, this.#environment.now() - 1);
    attempt.line.probe?.();
    const isAnswered = () => attempt.lastHeard >= since;
    this.#after(PROBE_TIMEOUT_MS, () => (isAnswered() ? this.#watchSilence() : this.lose(ABNORMAL)));
  }

  /** @param {"addEventListener" | "removeEventListener"} method */
  #listen(method) {
    const { window, document } = this.#environment;
    for (const type of ["online", "offline", "pageshow"]) window?.[method](type, this.#woken);
    document?.[method]("visibilitychange", this.#woken);
  }

  #woken = (/** @type {Event} */ { type }) => {
    if (type === "online") this.#newNetwork();
    if (type !== "visibilitychange" || !this.#environment.document?.hidden) this.wake();
  };

  /** What was blocked on the other network may not be on this one. */
  #newNetwork() {
    this.#attempts = this.#climbs = 0;
    if (this.#status.state === "live") this.#lookAroundLater();
    else this.#ladder.forget();
  }

  /** @param {number} ms @param {() => void} action */
  #after(ms, action) {
    this.#environment.clearTimeout(this.#timer);
    this.#timer = this.#environment.setTimeout(action, ms);
  }

  /** @param {State} state @param {{code?: number, retryInMs?: number}} [why] */
  #set(state, { code = 0, retryInMs = 0 } = {}) {
    const signIn = state === "stopped" && Boolean(CLOSE_CODES[code]?.signIn);
    this.#status = { state, transport: this.#current?.name ?? "", code, signIn, retryInMs };
    this.#owner.changed(this.#status);
  }
}
