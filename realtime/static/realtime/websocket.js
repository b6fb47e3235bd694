/**
 * The line over a WebSocket.
 *
 * @module
 */

import { parse } from "./messages.js";

/** @typedef {import("./attempt.js").Line} Line */
/** @typedef {import("./attempt.js").Listener} Listener */
/** @typedef {import("./attempt.js").Surroundings} Surroundings */

/** @param {Listener} listener @param {Surroundings} surroundings @returns {Line} */
export function openWebSocket(listener, { http, socketUrl, topics, cursor, warn }) {
  /** @type {WebSocket | null} */
  let socket = null;
  let isClosed = false;

  /** @param {string | null} token */
  function open(token) {
    if (isClosed) return;
    const url = new URL(socketUrl());
    // Browsers show scripts no status of a refused upgrade, only a close code.
    url.searchParams.set("refuse", "close");
    if (topics().length) url.searchParams.set("topics", topics().join(","));
    if (cursor()) url.searchParams.set("cursor", cursor() ?? "");
    const { WebSocket } = http.environment;
    const opened = token ? new WebSocket(url.href, ["realtime.v1", `bearer.${token}`]) : new WebSocket(url.href);
    opened.onmessage = ({ data }) => hear(data);
    opened.onclose = ({ code }) => listener.closed(code);
    socket = opened;
  }

  /** @param {string} text */
  function hear(text) {
    const message = parse(text);
    if (message?.type === "Ping") socket?.send('{"command":"Pong"}');
    if (message) listener.heard(message);
    else warn("a message that cannot be read was left aside", text);
  }

  if (http.token.isUsed) http.token.get().then(open).catch(listener.failed);
  else open(null);
  return {
    send: (command) => socket?.send(JSON.stringify(command)),
    probe: () => socket?.send('{"command":"Ping"}'),
    close() {
      isClosed = true;
      socket?.close();
    },
  };
}
