/**
 * The transports by name, each with how long it is given until the server greets.
 *
 * Separate so that the connection knows none of them, and they not each other.
 *
 * @module
 */

import { Http } from "./http.js";
import { openPolling } from "./polling.js";
import { openStream } from "./sse.js";
import { openWebSocket } from "./websocket.js";

/** @typedef {import("./attempt.js").Transport} Transport */

/** Best first. */
export const TRANSPORTS = ["websocket", "sse", "polling"];

/**
 * @param {object} page
 * @param {import("./options.js").Options} page.options
 * @param {import("./http.js").Token} page.token
 * @param {import("./environment.js").Environment} page.environment
 * @param {import("./tabs.js").Tabs | null} page.tabs
 * @param {() => string[]} page.topics
 * @param {() => string | undefined} page.cursor
 * @param {(message: string, detail?: unknown) => void} page.warn
 * @returns {Record<string, Transport>}
 */
export function transportsOf({ options, token, environment, tabs, topics, cursor, warn }) {
  const address = (/** @type {string} */ scheme, /** @type {string} */ path, /** @type {string | URL} */ base) => {
    const url = new URL(path, base);
    url.protocol = url.protocol.replace(/^(ws|http)/, scheme);
    return url;
  };
  const gateway = () => address("ws", options.url ?? "/ws", globalThis.location?.href);
  const http = new Http(() => address("http", options.api ?? "/api/v1/", gateway()), token, environment);
  const surroundings = { http, socketUrl: () => gateway().href, topics, cursor, warn };
  return {
    ...(tabs && { tab: { open: (listener) => tabs.open(listener, surroundings), patienceMs: 3000 } }),
    websocket: { open: (listener) => openWebSocket(listener, surroundings), patienceMs: 10_000 },
    sse: { open: (listener) => openStream(listener, surroundings), patienceMs: 6000 },
    polling: { open: (listener) => openPolling(listener, surroundings), patienceMs: 20_000 },
  };
}
