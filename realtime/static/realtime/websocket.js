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
export function openWebSocket(listener, { environment, token, socketUrl, topics, cursor, warn }) {
  /** @type {WebSocket | null} */
  let socket = null;
  let isClosed = false;

  /** @param {string | null} credential */
  function open(credential) {
    if (isClosed) return;
    const url = socketUrl();
    // Browsers show scripts no status of a refused upgrade, only a close code.
    const query = { refuse: "close", topics: topics().join(), cursor: cursor() };
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    const { WebSocket } = environment;
    const protocols = credential ? ["realtime.v1", `bearer.${credential}`] : [];
    const opened = new WebSocket(url.href, protocols);
    opened.onmessage = ({ data }) => hear(data);
    opened.onclose = ({ code }) => listener.closed(code);
    socket = opened;
  }

  /** @param {string} text */
  function hear(text) {
    const message = parse(text);
    if (message?.type === "Ping") socket?.send('{"command":"Pong"}');
    if (message) listener.heard(message);
    else warn("an unreadable message was left aside", text);
  }

  if (token.isUsed) token.get().then(open).catch(listener.failed);
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
