/**
 * The topics that the page follows besides those that come by themselves: asked for, granted, taken away.
 *
 * Separate from the client because a topic has two lives: until it is granted it is asked for on each line anew, and
 * from then on the cursor holds for it, so that each line only names it.
 *
 * @module
 */

import { MOST_OPEN, refused } from "./questions.js";

/** @typedef {import("./messages.js").Message} Message */

export class Subscriptions {
  /** @type {Set<string>} */ #granted;
  /** @type {Map<string, number | undefined>} asked for, with the seq to follow from */ #wanted = new Map();
  /** @type {import("./questions.js").Questions} */ #questions;

  /**
   * @param {Iterable<string>} topics that the cursor holds for
   * @param {import("./questions.js").Questions} questions
   */
  constructor(topics, questions) {
    this.#granted = new Set(topics);
    this.#questions = questions;
  }

  /** What a new line is to name. */
  get names() {
    return [...this.#granted].sort();
  }

  /** @param {string} topic @param {number} [after] @returns {Promise<any>} */
  add(topic, after) {
    if (this.#wanted.size >= MOST_OPEN && !this.#wanted.has(topic)) return refused("too_many_requests");
    this.#wanted.set(topic, after);
    return this.#ask(topic);
  }

  /** @param {string} topic @returns {boolean} whether lines named it */
  remove(topic) {
    this.#wanted.delete(topic);
    this.#questions.withdraw((data) => data.topic === topic);
    return this.#granted.delete(topic);
  }

  /** On a new line: ask for what is neither granted nor asked for. @param {Set<unknown>} asked */
  repeat(asked) {
    for (const topic of this.#wanted.keys()) if (!asked.has(topic)) void this.#ask(topic);
  }

  /**
   * One of the topics that lines name is not granted any more, and nobody says which: name none, ask for each.
   *
   * @returns {boolean} whether there were any
   */
  doubt() {
    for (const topic of this.#granted) this.#wanted.set(topic, undefined);
    const hadAny = this.#granted.size > 0;
    this.#granted.clear();
    return hadAny;
  }

  /**
   * Take in what the server says of a topic.
   *
   * @param {Message} message @returns {boolean} whether lines have one more to name
   */
  note({ type, data, reply_to }) {
    if (type === "Unsubscribed") this.#granted.delete(data?.topic);
    if (type !== "Subscribed") return false;
    const isNew = this.#wanted.delete(data?.topic) && !this.#granted.has(data.topic);
    if (isNew) this.#granted.add(data.topic);
    this.#questions.settle(reply_to, data);
    return isNew;
  }

  /** @param {string} topic */
  #ask(topic) {
    const after = this.#wanted.get(topic);
    const answer = this.#questions.ask("Subscribe", after === undefined ? { topic } : { topic, after });
    answer.catch(({ code }) => {
      if (code !== "stopped" && code !== "withdrawn") this.#wanted.delete(topic);
    });
    return answer;
  }
}
