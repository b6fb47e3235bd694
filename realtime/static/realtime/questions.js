/**
 * The commands that wait for a reply, and who waits for it; they outlive the line they were sent on.
 *
 * Separate from the client so that one place decides how many may wait, for how long, and what is asked again.
 *
 * @module
 */

import { RealtimeError } from "./failures.js";

/**
 * @typedef {object} Question
 * @property {string} command
 * @property {Record<string, unknown>} data
 * @property {(data: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {any} timer
 */

/** How many of one command may wait; all of them together stay below the burst a server accepts after a reconnect. */
export const MOST_OPEN = 25;

export class Questions {
  /** @type {(command: import("./messages.js").Command) => void} */ #send;
  /** @type {Pick<import("./environment.js").Environment, "setTimeout" | "clearTimeout">} */ #clock;
  /** @type {Map<string, Question>} */ #open = new Map();
  #lastId = 0;

  /**
   * @param {(command: import("./messages.js").Command) => void} send does nothing while there is no live line
   * @param {Pick<import("./environment.js").Environment, "setTimeout" | "clearTimeout">} clock
   */
  constructor(send, clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /**
   * Send a command now, or on the next line, and give its reply.
   *
   * @param {string} command @param {Record<string, unknown>} data @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  ask(command, data, timeoutMs) {
    if (this.#count(command) >= MOST_OPEN) return refused("too_many_requests");
    const answer = new Promise((resolve, reject) => {
      const id = String(++this.#lastId);
      const expire = () => this.settle(id, new RealtimeError("timeout"));
      const timer = timeoutMs && this.#clock.setTimeout(expire, timeoutMs);
      this.#open.set(id, { command, data, resolve, reject, timer });
      this.#send({ command, data, id });
    });
    return quiet(answer);
  }

  /** @param {string} command */
  #count(command) {
    return [...this.#open.values()].filter((question) => question.command === command).length;
  }

  /** Send everything still open on a new line. @returns {Set<unknown>} the topics asked for among it */
  repeat() {
    for (const [id, { command, data }] of this.#open) this.#send({ command, data, id });
    return new Set([...this.#open.values()].map(({ data }) => data.topic));
  }

  /** @param {string | undefined} id @param {unknown} outcome an Error rejects, anything else is the reply */
  settle(id = "", outcome) {
    const question = this.#open.get(id);
    if (!question) return;
    this.#open.delete(id);
    this.#clock.clearTimeout(question.timer);
    if (outcome instanceof Error) question.reject(outcome);
    else question.resolve(outcome);
  }

  /** Reject what nobody wants to know any more. @param {(data: Record<string, unknown>) => boolean} unwanted */
  withdraw(unwanted, code = "withdrawn") {
    for (const [id, { data }] of this.#open) if (unwanted(data)) this.settle(id, new RealtimeError(code));
  }
}

/** @param {string} code @returns {Promise<any>} */
export function refused(code) {
  return quiet(Promise.reject(new RealtimeError(code)));
}

/**
 * Who awaits `answer` still sees its rejection; who does not must not find it in the console.
 *
 * @param {Promise<any>} answer
 */
function quiet(answer) {
  answer.catch(() => undefined);
  return answer;
}
