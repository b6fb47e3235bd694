/**
 * Keeps one page in step with the server: resumes by cursor, and tells each event once, in order.
 *
 * Separate from the pages that use it: it knows the wire protocol and nothing of what the events mean.
 * It never throws into the page. What goes wrong becomes a state, the rejection of a promise the page
 * asked for, or a line in the log.
 *
 *     const client = new RealtimeClient({ cursor, getSnapshot: () => page.load() });
 *     client.on("TransactionUpdate", (event) => page.apply(event.data));
 *     client.watch(({ state, transport }) => page.badge(state, transport));
 *     client.start();
 *
 * @module
 */

import { Connection } from "./connection.js";
import { browser } from "./environment.js";
import { Handlers } from "./handlers.js";
import { ABNORMAL, RealtimeError } from "./failures.js";
import { Inbox } from "./inbox.js";
import { logOf, transportsIn } from "./options.js";
import { Place } from "./place.js";
import { Questions } from "./questions.js";
import { Recent } from "./recent.js";
import { Renewal } from "./renewal.js";
import { Subscriptions } from "./subscriptions.js";
import { Token } from "./token.js";
import { transportsOf } from "./transports.js";

export { RealtimeError };

/** @typedef {import("./connection.js").Status} Status */
/** @typedef {import("./messages.js").Command} Command */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Reset} Reset */
/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./tabs.js").Tabs} Tabs */
/** @typedef {typeof import("./tabs.js").Tabs} TabsKind */

const REQUEST_TIMEOUT_MS = 30_000;
const REMEMBERED_ACKS = 1000;
const TOKEN_EXPIRED = 4401;
const NOT_ADMITTED = 4505;

export class RealtimeClient {
  /** @type {import("./options.js").Log} */ #log;
  /** @type {NonNullable<Options["trace"]>} */ #trace;
  /** @type {Connection} */ #connection;
  /** @type {Questions} */ #questions;
  /** @type {Token} */ #token;
  /** @type {Renewal} */ #renewal;
  /** @type {Place} */ #place;
  /** @type {Inbox} */ #inbox;
  /** @type {string | undefined} the name under which tabs share */ #share;
  /** @type {Tabs | null} theirs, once there is another tab to think of */ #tabs = null;
  /** @type {string[]} */ #transports;
  /** @type {Handlers<Message>} */ #handlers;
  /** @type {Handlers<Status>} */ #watchers;
  /** @type {Subscriptions} */ #topics;
  #acked = new Recent(REMEMBERED_ACKS);

  /** @param {Options} [options] */
  constructor(options = {}) {
    const environment = { ...browser(), ...options.environment };
    this.#log = logOf(options);
    this.#handlers = new Handlers(this.#log);
    this.#trace = (...seen) => this.#handlers.guard(() => options.trace?.(...seen));
    this.#watchers = new Handlers(this.#log);
    this.#place = new Place(options.cursor, options.storage, environment);
    this.#token = new Token(options.getToken, environment);
    this.#questions = new Questions((command) => this.send(command), environment);
    this.#topics = new Subscriptions(options.topics ?? [], this.#questions);
    this.#renewal = new Renewal(() => this.#renew(), environment);
    this.#inbox = new Inbox({
      place: this.#place,
      questions: this.#questions,
      topics: this.#topics,
      renewal: this.#renewal,
      handlers: this.#handlers,
      log: this.#log,
      getSnapshot: (reset) => options.getSnapshot?.(reset),
      handled: (id) => options.autoAck && this.ack(id),
      repeated: (id) => this.#acked.has(id) && this.ack(id),
      namesChanged: () => this.#connection.renew(),
      lose: () => this.#connection.lose(ABNORMAL),
    });
    this.#transports = transportsIn(options, this.#log);
    this.#share = options.share;
    this.#connection = this.#connectionOf(options, environment);
  }

  /** @returns {Status} */
  get status() {
    return this.#connection.status;
  }

  get state() {
    return this.status.state;
  }

  get transport() {
    return this.status.transport;
  }

  /** The newest place up to which every event has been told to the handlers. */
  get cursor() {
    return this.#place.cursor;
  }

  /** Connect, and stay connected until `stop()` or until the server says that it is of no use. */
  start() {
    if (this.state !== "stopped") return;
    this.#connection.use(this.#rungs);
    this.#connection.start();
  }

  /** Close the line and stay closed; open questions are rejected with `stopped`. */
  stop() {
    this.#connection.stop();
  }

  /** Try now instead of later; on a live line, find out quickly whether it still carries anything. */
  wake() {
    this.#connection.wake();
  }

  /** Give the line up as if it had broken, and come back. */
  cut() {
    this.#connection.lose(ABNORMAL);
  }

  /**
   * Call `handler` for each message of `type`, once per event; `"*"` is every type.
   *
   * @param {string} type @param {(message: Message) => unknown} handler
   * @returns {() => void} takes the handler away again
   */
  on(type, handler) {
    return this.#handlers.on(type, handler);
  }

  /**
   * Call `watcher` with the present status and with each later one.
   *
   * @param {(status: Status) => void} watcher
   * @returns {() => void} takes the watcher away again
   */
  watch(watcher) {
    this.#watchers.guard(() => watcher(this.status));
    return this.#watchers.on("", watcher);
  }

  /**
   * Follow one more topic, across reconnects, from its newest event or from just after seq `after`.
   *
   * @param {string} topic @param {{after?: number}} [options]
   * @returns {Promise<any>} the data of `Subscribed`; rejected, and the topic forgotten, when refused
   */
  subscribe(topic, { after } = {}) {
    // What only this tab asks for is not the others' business.
    this.#leaveTabs();
    return this.#topics.add(topic, after);
  }

  /** @param {string} topic */
  unsubscribe(topic) {
    const wasNamed = this.#topics.remove(topic);
    this.send({ command: "Unsubscribe", data: { topic } });
    if (wasNamed) this.#connection.renew();
  }

  /**
   * Ask for a resource; a question asked while the line is down waits for the next one.
   *
   * @param {string} resource @param {Record<string, unknown>} [params]
   * @returns {Promise<{resource: string, params: any, result: any, cursor: string}>}
   */
  request(resource, params = {}) {
    return this.#questions.ask("Request", { resource, params }, REQUEST_TIMEOUT_MS);
  }

  /** Say that an event has been handled; said again by itself should the server give it again. @param {string} id */
  ack(id) {
    this.#acked.add(id);
    this.send({ command: "Ack", data: { message_id: id } });
  }

  /** Send a command as it is, on a live line; its answer goes to the handlers of its type. @param {Command} command */
  send(command) {
    if (this.state === "live") this.#trace("out", command, this.transport);
    this.#watchers.guard(() => this.#connection.send(command));
  }

  /** Have the page fetch its state anew while later events are held back, as after a `Reset`. */
  refresh() {
    this.#inbox.refresh(this.state === "live");
  }

  // --- the line -----------------------------------------------------------------------------------

  /** @param {Options} options @param {import("./environment.js").Environment} environment */
  #connectionOf(options, environment) {
    const page = {
      environment,
      token: this.#token,
      topics: () => this.#topics.names,
      cursor: () => this.cursor,
      tabsOf: (/** @type {TabsKind} */ kind) => (this.#tabs ??= this.#meet(kind, environment)),
      warn: (/** @type {string} */ message, /** @type {unknown} */ detail) => this.#log("warn", message, detail),
    };
    const owner = {
      transports: transportsOf(options, page),
      note: (/** @type {string} */ message, /** @type {unknown} */ detail) => this.#log("info", message, detail),
      canMend: (/** @type {number} */ code) => this.#mend(code),
      heard: (/** @type {Message} */ message) => this.#hear(message),
      changed: (/** @type {Status} */ status) => this.#changed(status),
    };
    return new Connection(owner, this.#rungs, environment);
  }

  /** @param {TabsKind} kind @param {import("./environment.js").Environment} environment */
  #meet(kind, environment) {
    // Tabs that follow other topics are no use to each other.
    const group = [this.#share, ...this.#topics.names].join();
    const told = {
      took: () => this.#connection.use(this.#transports),
      holderIsLive: () => this.state === "waiting" && this.wake(),
    };
    return new kind(group, told, environment);
  }

  get #rungs() {
    return this.#share ? ["tab", ...this.#transports] : this.#transports;
  }

  /** @param {Status} status */
  #changed(status) {
    const { state, transport, code } = status;
    this.#log("debug", `${state} ${transport} ${code || ""}`.trim());
    if (state !== "live") this.#inbox.lineLost();
    if (state !== "live") this.#renewal.cancel();
    if (state === "stopped") this.#questions.withdraw(() => true, "stopped");
    // Who leaves of its own accord says nothing: the next one takes over.
    if (state !== "stopped" || code) this.#tabs?.show(state === "live", code);
    if (state === "stopped") this.#tabs?.leave();
    this.#watchers.call("", status);
  }

  /** @param {number} code */
  #mend(code) {
    if (code === TOKEN_EXPIRED) this.#token.spoil();
    if (code === TOKEN_EXPIRED) return this.#token.isUsed;
    if (code !== NOT_ADMITTED || !this.#topics.doubt()) return false;
    // Asked for one by one, the others come back without what was missed.
    this.#inbox.refresh(false);
    return true;
  }

  #renew() {
    this.#token.spoil();
    if (this.transport !== "websocket") return this.#connection.renew();
    const asked = this.#token.get().then((token) => this.#questions.ask("Authenticate", { token }));
    asked.catch((error) => this.#log("warn", "the token could not be renewed", error));
  }

  #leaveTabs() {
    if (!this.#share) return;
    this.#share = undefined;
    this.#tabs?.leave();
    this.#tabs = null;
    this.#connection.use(this.#rungs);
  }

  /** @param {Message} message */
  #hear(message) {
    this.#trace("in", message, this.transport);
    this.#tabs?.say(message);
    this.#inbox.take(message);
  }
}
