/**
 * Keeps one page in step with the server: resumes by cursor, and tells each event once, in order.
 *
 * Separate from the pages that use it: it knows the wire protocol and nothing of what the events mean.
 * It never throws into the page. What goes wrong becomes a state, the rejection of a promise the page
 * asked for, or a line in the log.
 *
 *     const client = new RealtimeClient({ cursor, getSnapshot: () => page.load() });
 *     client.on("TransactionUpdate", (event) => page.apply(event.data));
 *     client.watch(({ state }) => page.badge(state));
 *     client.start();
 *
 * @module
 */

import { ABNORMAL, Connection } from "./connection.js";
import { isReply, parse } from "./messages.js";
import { MOST_OPEN, Questions, RealtimeError, refused } from "./questions.js";
import { Recent } from "./recent.js";

export { RealtimeError };

/** @typedef {import("./connection.js").Status} Status */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Reset} Reset */
/** @typedef {(level: "debug" | "warn" | "error", message: string, detail?: unknown) => void} Log */

/**
 * @typedef {object} Options
 * @property {string} [url] where the gateway is; `/ws` of this page's own server by default
 * @property {string} [cursor] the place up to which the page already holds everything
 * @property {(reset: Reset | null) => unknown} [getSnapshot] fetches and shows the present state; what
 *   arrives meanwhile is held back until it is done. It must end by itself, also on a dead line
 * @property {Log} [log]
 * @property {Partial<import("./connection.js").Environment>} [environment]
 */

export const REMEMBERED_IDS = 1000;
const REQUEST_TIMEOUT_MS = 30_000;
const DEFAULT_SILENCE_SECONDS = 60;
const MOST_HELD = 10_000;

export class RealtimeClient {
  /** @type {Options} */ #options;
  /** @type {Log} */ #log;
  /** @type {Connection} */ #connection;
  /** @type {Questions} */ #questions;
  /** @type {string | undefined} */ #cursor;
  /** @type {Map<string, Set<(message: Message) => void>>} */ #handlers = new Map();
  /** @type {Set<(status: Status) => void>} */ #watchers = new Set();
  /** @type {Map<string, number | undefined>} asked-for topics, each with the newest seq seen */ #topics = new Map();
  #seen = new Recent(REMEMBERED_IDS);
  #acked = new Recent(REMEMBERED_IDS);
  /** @type {Message[] | null} what arrived while a snapshot is under way */ #held = null;
  /** The page's state is not known to be whole; a snapshot mends it. */
  #stale = false;
  #snapshots = 0;
  /** @type {Promise<unknown>} */ #snapshot = Promise.resolve();

  /** @param {Options} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#cursor = options.cursor;
    this.#log = options.log ?? logToConsole;
    this.#questions = new Questions((command) => this.#send(command), options.environment);
    const owner = {
      address: () => this.#address(),
      heard: (/** @type {string} */ text) => this.#hear(text),
      changed: (/** @type {Status} */ status) => this.#changed(status),
      warn: (/** @type {string} */ message, /** @type {unknown} */ detail) => this.#log("warn", message, detail),
    };
    this.#connection = new Connection(owner, options.environment);
  }

  /** @returns {Status} */
  get status() {
    return this.#connection.status;
  }

  get state() {
    return this.status.state;
  }

  /** The newest place up to which every event has been told to the handlers. */
  get cursor() {
    return this.#cursor;
  }

  /** Connect, and stay connected until `stop()` or until the server says that it is of no use. */
  start() {
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

  /**
   * Call `handler` for each message of `type`, once per event; `"*"` is every type.
   *
   * @param {string} type @param {(message: Message) => void} handler
   * @returns {() => void} takes the handler away again
   */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /**
   * Call `watcher` with the present status and with each later one.
   *
   * @param {(status: Status) => void} watcher
   * @returns {() => void} takes the watcher away again
   */
  watch(watcher) {
    this.#watchers.add(watcher);
    this.#guard(() => watcher(this.status));
    return () => void this.#watchers.delete(watcher);
  }

  /**
   * Follow one more topic, across reconnects, from its newest event or from just after seq `after`.
   *
   * @param {string} topic @param {{after?: number}} [options]
   * @returns {Promise<any>} the data of `Subscribed`; rejected, and the topic forgotten, when refused
   */
  subscribe(topic, { after } = {}) {
    if (this.#topics.size >= MOST_OPEN && !this.#topics.has(topic)) return refused("too_many_requests");
    this.#topics.set(topic, after);
    return this.#follow(topic);
  }

  /** @param {string} topic */
  unsubscribe(topic) {
    this.#topics.delete(topic);
    this.#questions.withdraw((data) => data.topic === topic);
    this.#send({ command: "Unsubscribe", data: { topic } });
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

  /** Say that the event `id` has been handled; said again by itself should the server give it again. @param {string} id */
  ack(id) {
    this.#acked.add(id);
    this.#send({ command: "Ack", data: { message_id: id } });
  }

  /** Have the page fetch its state anew while later events are held back, as after a `Reset`. */
  refresh() {
    this.#stale = true;
    if (this.state === "live") void this.#refetch(null);
  }

  // --- the line -----------------------------------------------------------------------------------

  #address() {
    const url = new URL(this.#options.url ?? "/ws", globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    // Browsers show scripts no status of a refused upgrade, only a close code.
    url.searchParams.set("refuse", "close");
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    return url.href;
  }

  /** @param {Status} status */
  #changed(status) {
    this.#log("debug", `${status.state} ${status.code || ""}`.trim());
    if (status.state !== "live") this.#forgetSnapshot();
    if (status.state === "stopped") this.#questions.withdraw(() => true, "stopped");
    for (const watcher of [...this.#watchers]) this.#guard(() => watcher(status));
  }

  /** @param {Record<string, unknown>} command */
  #send(command) {
    this.#guard(() => this.#connection.send(JSON.stringify(command)));
  }

  // --- what comes ---------------------------------------------------------------------------------

  /** @param {string} text */
  #hear(text) {
    const message = parse(text);
    if (message) this.#take(message);
    else this.#log("warn", "a message that cannot be read was left aside", text);
  }

  /** @param {Message} message */
  #take(message) {
    if (message.type === "Connected") this.#connected(message);
    else if (message.type === "Ping") this.#answerPing(message);
    else if (message.type === "Reset") this.#reset(message);
    else if (isReply(message)) this.#reply(message);
    else if (this.#held) this.#hold(this.#held, message);
    else this.#tell(message);
  }

  /** @param {Message} message */
  #connected(message) {
    // With a cursor handed over, the missed events are still to come: only they may move it.
    this.#cursor ??= message.data?.cursor;
    this.#connection.greeted((message.data?.heartbeat?.timeout ?? DEFAULT_SILENCE_SECONDS) * 1000);
    this.#emit(message);
    const asked = this.#questions.repeat();
    for (const topic of this.#topics.keys()) if (!asked.has(topic)) void this.#follow(topic);
    if (this.#stale) void this.#refetch(null);
  }

  /** @param {Message} message */
  #answerPing(message) {
    this.#send({ command: "Pong" });
    // A Ping's cursor covers what is being held back, which the page has not seen yet.
    if (!this.#held && message.cursor) this.#cursor = message.cursor;
  }

  /** @param {Message} message */
  #reset({ data }) {
    this.#log("debug", `the server cannot resume (${data?.reason}): fetching the present state`);
    this.#cursor = data?.cursor ?? this.#cursor;
    for (const [topic, seq] of Object.entries(data?.topics ?? {})) {
      if (this.#topics.has(topic)) this.#topics.set(topic, seq);
    }
    // What was held belongs to before the reset, perhaps to another history.
    this.#held = null;
    void this.#refetch(data);
  }

  /** @param {Message} message */
  #reply(message) {
    const { code = "internal", message: text } = message.data ?? {};
    const failed = message.type === "Error";
    if (failed) this.#log("warn", `the server refused: ${code}`, message);
    this.#questions.settle(message.reply_to, failed ? new RealtimeError(code, text) : message.data);
    this.#emit(message);
  }

  /** @param {Message} message */
  #tell(message) {
    const { topic = "", seq, cursor, id } = message;
    this.#noteSubscription(message);
    if (!id || this.#seen.add(id)) this.#emit(message);
    else if (this.#acked.has(id)) this.ack(id);
    // Only now: an event counts as received when the handlers have had it.
    if (seq !== undefined && this.#topics.has(topic)) this.#topics.set(topic, seq);
    if (seq !== undefined && cursor) this.#cursor = cursor;
  }

  /** @param {Message} message */
  #noteSubscription({ type, data, reply_to }) {
    if (type === "Unsubscribed") this.#topics.delete(data?.topic);
    if (type !== "Subscribed") return;
    if (this.#topics.has(data?.topic)) this.#topics.set(data.topic, data.seq);
    this.#questions.settle(reply_to, data);
  }

  /** @param {Message} message */
  #emit(message) {
    for (const key of [message.type, "*"]) {
      for (const handler of [...(this.#handlers.get(key) ?? [])]) this.#guard(() => handler(message));
    }
  }

  /** @param {() => unknown} action */
  #guard(action) {
    try {
      action();
    } catch (error) {
      this.#log("error", "a handler failed", error);
    }
  }

  /** @param {string} topic */
  #follow(topic) {
    const after = this.#topics.get(topic);
    const answer = this.#questions.ask("Subscribe", after === undefined ? { topic } : { topic, after });
    answer.catch(({ code }) => {
      if (code !== "stopped" && code !== "withdrawn") this.#topics.delete(topic);
    });
    return answer;
  }

  // --- snapshots ----------------------------------------------------------------------------------

  /** @param {Reset | null} reset */
  async #refetch(reset) {
    const turn = ++this.#snapshots;
    const wanted = () => turn === this.#snapshots;
    this.#stale = true;
    this.#held ??= [];
    // One at a time: an older snapshot that answers late must not overwrite a newer one.
    const fetched = this.#snapshot.then(() => (wanted() ? this.#options.getSnapshot?.(reset) : undefined));
    this.#snapshot = fetched.catch(() => undefined);
    try {
      await fetched;
    } catch (error) {
      this.#log("warn", "the snapshot failed; it is tried again on the next line", error);
      if (wanted()) this.#connection.lose(ABNORMAL);
    }
    if (wanted()) this.#release();
  }

  /** @param {Message[]} held @param {Message} message */
  #hold(held, message) {
    if (held.push(message) > MOST_HELD) this.#connection.lose(ABNORMAL);
  }

  #release() {
    const held = this.#held ?? [];
    this.#held = null;
    this.#stale = false;
    // By way of #take: a handler may ask for another snapshot, and then the rest is held again.
    for (const message of held) this.#take(message);
  }

  /** The line is gone: what was held is above the cursor, so the next line replays it. */
  #forgetSnapshot() {
    this.#held = null;
    this.#snapshots++;
  }
}

/** @type {Log} */
function logToConsole(level, message, detail = "") {
  if (level !== "debug") console[level](`realtime: ${message}`, detail);
}
