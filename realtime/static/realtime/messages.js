/**
 * The messages of the wire, as far as the client looks at them.
 *
 * Separate so that every transport reads them alike.
 *
 * @module
 */

/**
 * @typedef {object} Message
 * @property {string} type
 * @property {string} [topic]
 * @property {number} [seq]
 * @property {string} [cursor]
 * @property {string} [id]
 * @property {string} [timestamp]
 * @property {boolean} [ack]
 * @property {boolean} [replayed]
 * @property {string} [reply_to]
 * @property {any} [data]
 */

/** @typedef {{command: string, data?: Record<string, unknown>, id?: string}} Command */
/** @typedef {{reason: string, cursor: string, topics?: Record<string, number>}} Reset */

const REPLIES = new Set(["Response", "Error", "Authenticated", "Pong"]);

/** Whether this only answers a command. `Subscribed` also has its place among the events. @param {Message} message */
export function isReply({ type }) {
  return REPLIES.has(type);
}

/** @param {string} text @returns {Message | null} null for what is no message at all */
export function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}
