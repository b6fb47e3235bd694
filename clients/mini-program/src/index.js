/**
 * The realtime client in a WeChat mini-program.
 *
 *     const { realtime } = require("@realtime-ledger/mini-program");
 *     const client = realtime({ url: "wss://ledger.example.org/ws", getToken });
 *
 * It is the browser's client with other surroundings: over `wx.connectSocket`, and by `wx.request` where no socket is to
 * be had. It notices when the mini-program comes back from the background, where its sockets are closed after seconds.
 *
 * @module
 */

import { RealtimeClient, RealtimeError } from "@realtime-ledger/client";
import { follow } from "@realtime-ledger/client/follow";
import { newest } from "@realtime-ledger/client/newest";

import { requests } from "./requests.js";
import { socketOf } from "./sockets.js";
import { wakings } from "./wakings.js";

export { RealtimeClient, RealtimeError, follow, newest };

/**
 * @typedef {Omit<import("@realtime-ledger/client").Options, "transports" | "share" | "storage">} Options
 */

/**
 * @param {Options & {url: string, keepCursor?: boolean, transports?: ("websocket" | "polling")[]}} options `keepCursor`
 *   keeps it over restarts, for a program that keeps its state too; there are no streams, and no tabs to share with
 * @param {any} [wx] the mini-program's own by default
 * @returns {RealtimeClient}
 */
export function realtime({ keepCursor = false, transports = ["websocket", "polling"], ...options }, wx = globalWx()) {
  const { window, document } = wakings(wx);
  const environment = {
    WebSocket: socketOf(wx),
    fetch: requests(wx),
    setTimeout: (/** @type {() => void} */ action, /** @type {number} */ ms) => setTimeout(action, ms),
    clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
    window,
    document,
    locks: undefined,
    BroadcastChannel: undefined,
    ...options.environment,
  };
  const storage = keepCursor ? storageOf(wx) : undefined;
  return new RealtimeClient({ ...options, transports, storage, environment: /** @type {any} */ (environment) });
}

/** @param {any} wx */
function storageOf(wx) {
  return {
    getItem: (/** @type {string} */ key) => wx.getStorageSync(key) || null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => wx.setStorageSync(key, value),
  };
}

function globalWx() {
  // A mini-program has it as a global that is no property of any object.
  // @ts-ignore
  return typeof wx === "undefined" ? undefined : wx;
}
