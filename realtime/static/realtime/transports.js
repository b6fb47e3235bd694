/**
 * The transports by name, each with how long it is given until the server greets.
 *
 * Separate so that the connection knows none of them, and they not each other. The WebSocket is at hand; the modules of
 * the others are fetched when one is needed, or in a quiet moment, so that a page which never needs them waits for none.
 *
 * @module
 */

import { openWebSocket } from "./websocket.js";

/** @typedef {import("./attempt.js").Surroundings} Surroundings */
/** @typedef {{open: (listener: import("./attempt.js").Listener, surroundings: Surroundings) => import("./attempt.js").Line}} Module */
/** @typedef {import("./attempt.js").Transport} Transport */

/**
 * @param {import("./options.js").Options} options
 * @param {Omit<Surroundings, "socketUrl" | "apiUrl">} page
 * @returns {Record<string, Transport>}
 */
export function transportsOf(options, page) {
  const address = (/** @type {string} */ scheme, /** @type {string} */ path, /** @type {string | URL} */ base) => {
    const url = new URL(path, base);
    url.protocol = url.protocol.replace(/^(ws|http)/, scheme);
    return url;
  };
  const socketUrl = () => address("ws", options.url ?? "/ws", globalThis.location?.href);
  const apiUrl = () => address("http", options.api ?? "/api/v1/", socketUrl());
  const surroundings = { ...page, socketUrl, apiUrl };

  /** One whose module is fetched once, and again after that has failed. @returns {Transport} */
  const late = (/** @type {number} */ patienceMs, /** @type {() => Promise<Module>} */ load) => {
    const fetch = async () => {
      const { open } = await load();
      return (transport.open = (listener) => open(listener, surroundings));
    };
    /** @type {Transport} */
    const transport = { patienceMs, fetch };
    return transport;
  };

  return {
    tab: late(3000, () => import("./tabs.js")),
    websocket: { patienceMs: 10_000, open: (listener) => openWebSocket(listener, surroundings) },
    sse: late(6000, () => import("./sse.js")),
    polling: late(20_000, () => import("./polling.js")),
  };
}
