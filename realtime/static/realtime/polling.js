/**
 * The line that is none: a question every so often, as the server advises.
 *
 * @module
 */

import { Http } from "./http.js";

/** @typedef {import("./attempt.js").Line} Line */
/** @typedef {import("./attempt.js").Listener} Listener */
/** @typedef {import("./attempt.js").Surroundings} Surroundings */
/** @typedef {import("./messages.js").Message} Message */

/** The server advises nobody to wait for more than a minute; twice that without an answer is silence. */
const SILENCE_SECONDS = 120;

/** What greets on a line that the server knows nothing of. @param {string} cursor @returns {Message} */
export const greeting = (cursor) => ({
  type: "Connected",
  data: { cursor, topics: {}, heartbeat: { timeout: SILENCE_SECONDS } },
});

/**
 * One question: what came after the cursor.
 *
 * @param {Http} http @param {string[]} topics @param {string | undefined} cursor
 * @returns {Promise<{messages: Message[], cursor: string, hasMore: boolean, interval: number}>} the messages, the last
 *   of which moves the cursor to where the answer ends
 */
export async function ask(http, topics, cursor) {
  const answer = await http.get("events", { topics: topics.join(","), cursor });
  const place = { type: "Ping", cursor: answer.cursor };
  return {
    messages: [...(answer.gained ?? []), ...answer.events, ...(answer.revoked ?? []), ...answer.reset, place],
    cursor: answer.cursor,
    hasMore: answer.has_more,
    interval: answer.poll_interval_ms,
  };
}

/** @param {Listener} listener @param {Surroundings} surroundings @returns {Line} */
export function open(listener, surroundings) {
  const { topics, cursor } = surroundings;
  const { setTimeout, clearTimeout, random } = surroundings.environment;
  const http = new Http(surroundings);
  // The line's own place: what the client holds back during a snapshot need not come again.
  let place = cursor();
  let isGreeted = false;
  let isAsking = false;
  let isClosed = false;
  /** @type {any} */
  let timer;

  async function poll() {
    if (isAsking) return;
    isAsking = true;
    clearTimeout(timer);
    const answer = await ask(http, topics(), place).finally(() => (isAsking = false));
    if (isClosed) return;
    if (!isGreeted) listener.heard(greeting(answer.cursor));
    isGreeted = true;
    place = answer.cursor;
    answer.messages.forEach(listener.heard);
    // What it said may have ended the line.
    if (isClosed) return;
    // A tenth more or less, so that many clients do not ask in step.
    timer = setTimeout(go, answer.interval * (0.9 + 0.2 * random()));
  }

  const go = () => void poll().catch(listener.failed);

  go();
  return {
    send: (command) => void http.command(command, listener.heard, cursor),
    probe: go,
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
