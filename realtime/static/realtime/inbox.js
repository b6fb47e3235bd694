/**
 * What comes from the server, taken in: told to the page once and in order, held back during a snapshot, or answered.
 *
 * Separate from the client, whose business is what the page wants: nothing here is asked for by anybody.
 *
 * @module
 */

import { RealtimeError } from "./failures.js";
import { isReply } from "./messages.js";
import { Recent } from "./recent.js";
import { Snapshots } from "./snapshots.js";

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Reset} Reset */

/**
 * @typedef {object} Parts
 * @property {import("./place.js").Place} place
 * @property {import("./questions.js").Questions} questions
 * @property {import("./subscriptions.js").Subscriptions} topics
 * @property {import("./renewal.js").Renewal} renewal
 * @property {import("./handlers.js").Handlers<Message>} handlers
 * @property {import("./options.js").Log} log
 * @property {(reset: Reset | null) => unknown} getSnapshot
 * @property {(id: string) => void} handled an event that wants an acknowledgement has been handled
 * @property {(id: string) => void} repeated an event that was told before has come again
 * @property {() => void} namesChanged lines have another topic to name
 * @property {() => void} lose gives the line up
 */

export const REMEMBERED_IDS = 1000;

export class Inbox {
  /** @type {Parts} */ #parts;
  #seen = new Recent(REMEMBERED_IDS);
  /** @type {Snapshots} */ #snapshots;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    const owner = {
      fetch: parts.getSnapshot,
      release: (/** @type {Message} */ message) => this.take(message),
      failed: (/** @type {unknown} */ error) => {
        parts.log("warn", "the snapshot failed: tried again on the next line", error);
        parts.lose();
      },
    };
    this.#snapshots = new Snapshots(owner, parts.place);
  }

  /** The page's state is not whole: have it fetched, now or on the next line. @param {boolean} now */
  refresh(now) {
    this.#parts.place.isStale = true;
    if (now) void this.#snapshots.fetch(null);
  }

  /** The line is gone, and with it what it still would have said. */
  lineLost() {
    this.#snapshots.forget();
  }

  /** @param {Message} message */
  take(message) {
    if (message.type === "Connected") this.#connected(message);
    else if (message.type === "Ping") this.#ping(message);
    else if (message.type === "Reset") this.#reset(message);
    else if (isReply(message)) this.#reply(message);
    else if (this.#snapshots.isUnderWay) this.#snapshots.hold(message);
    else this.#tell(message);
  }

  /** @param {Message} message */
  #connected(message) {
    const { place, renewal, topics, questions } = this.#parts;
    // With a cursor handed over, the missed events are still to come: only they may move it.
    place.cursor ??= message.data?.cursor;
    renewal.plan(message.data?.expires_at, message.timestamp);
    // Before the handlers, since what they ask now goes out by itself.
    topics.repeat(questions.repeat());
    this.#emit(message);
    if (place.isStale && !this.#snapshots.isUnderWay) this.refresh(true);
  }

  /** @param {Message} message */
  #ping({ cursor }) {
    // It covers what is being held back, which the page has not seen yet.
    if (!this.#snapshots.isUnderWay) this.#parts.place.cursor = cursor;
  }

  /** @param {Message} message */
  #reset(message) {
    const { data } = message;
    this.#parts.log("info", `no resuming (${data?.reason}): fetching the present state`);
    this.#parts.place.cursor = data?.cursor;
    this.#emit(message);
    void this.#snapshots.fetch(data);
  }

  /** @param {Message} message */
  #reply(message) {
    const { code = "internal", message: text } = message.data ?? {};
    const failed = message.type === "Error";
    if (failed) this.#parts.log("warn", `the server refused: ${code}`, message);
    if (message.type === "Authenticated") this.#parts.renewal.plan(message.data?.expires_at);
    this.#parts.questions.settle(message.reply_to, failed ? new RealtimeError(code, text) : message.data);
    this.#emit(message);
  }

  /** @param {Message} message */
  #tell(message) {
    const { type, data, cursor, id } = message;
    if (this.#parts.topics.note(message)) this.#parts.namesChanged();
    if (!id || this.#seen.add(id)) this.#acknowledge(message, this.#emit(message));
    else this.#parts.repeated(id);
    // Only now: an event counts as received when the handlers have had it.
    this.#parts.place.cursor = type === "Subscribed" ? data?.cursor : cursor;
  }

  /** @param {Message} message @param {(boolean | Promise<boolean>)[]} outcomes */
  #acknowledge({ ack, id }, outcomes) {
    if (!ack || !id || !outcomes.length) return;
    void Promise.all(outcomes).then((all) => all.every(Boolean) && this.#parts.handled(id));
  }

  /** @param {Message} message @returns {(boolean | Promise<boolean>)[]} whether each handler of its type succeeded */
  #emit(message) {
    const outcomes = this.#parts.handlers.call(message.type, message);
    this.#parts.handlers.call("*", message);
    return outcomes;
  }
}
