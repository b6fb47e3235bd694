/**
 * The line over server-sent events, read by `fetch`: unlike an `EventSource` it can carry a token in a header, tells
 * why it was refused, and leaves it to the connection when to come back.
 *
 * @module
 */

import { Http } from "./http.js";
import { parse } from "./messages.js";

/** @typedef {import("./attempt.js").Line} Line */
/** @typedef {import("./attempt.js").Listener} Listener */
/** @typedef {import("./attempt.js").Surroundings} Surroundings */

/** What the server lets pass between two signs of life on a quiet stream, and a little more. */
const QUIET_MS = 20_000;

/** @param {Listener} listener @param {Surroundings} surroundings @returns {Line} */
export function open(listener, surroundings) {
  const { topics, cursor, warn } = surroundings;
  const http = new Http(surroundings);
  const ending = new AbortController();

  async function run() {
    const params = { topics: topics().join(","), cursor: cursor() };
    const { body } = await http.open("stream", params, ending.signal);
    const reader = /** @type {ReadableStream<Uint8Array>} */ (body).getReader();
    const decoder = new TextDecoder();
    const events = new Events(take);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      events.read(decoder.decode(part.value, { stream: true }));
    }
    listener.failed(new Error("the stream ended"));
  }

  /** @param {string} type @param {string} data @param {string} id */
  function take(type, data, id) {
    if (!data) return id && listener.heard({ type: "Ping", cursor: id });
    const message = type === "Close" ? { type, data: JSON.parse(data) } : parse(data);
    if (message?.type === "Close") listener.closed(message.data.code, message.data.retry_after ?? undefined);
    else if (message) listener.heard(message);
    else warn("an unreadable message was left aside", data);
  }

  run().catch(listener.failed);
  return {
    send: (command) => void http.command(command, listener.heard, cursor),
    quietMs: QUIET_MS,
    isBlockedWhenSilent: true,
    hasFixedTopics: true,
    close: () => ending.abort(),
  };
}

/** Cuts the text of a stream into events, however it comes apart on the way. */
export class Events {
  #rest = "";
  #type = "";
  #data = "";
  #id = "";

  /** @param {(type: string, data: string, id: string) => void} take */
  constructor(take) {
    this.take = take;
  }

  /** @param {string} text */
  read(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  /** @param {string} line */
  #line(line) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "event") this.#type = value;
    else if (field === "data") this.#data += this.#data ? `\n${value}` : value;
    else if (field === "id") this.#id = value;
    if (line) return;
    const [type, data, id] = [this.#type, this.#data, this.#id];
    this.#type = this.#data = this.#id = "";
    this.take(type, data, id);
  }
}
