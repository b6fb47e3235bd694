/**
 * What a page may ask of its client, and what stands where it asks nothing.
 *
 * @module
 */

/** @typedef {import("./messages.js").Message} Message */
/** @typedef {import("./messages.js").Reset} Reset */
/** @typedef {"debug" | "info" | "warn" | "error"} Level */
/** @typedef {(level: Level, message: string, detail?: unknown) => void} Log */

/**
 * @typedef {object} Options
 * @property {string} [url] where the gateway is; `/ws` of this page's own server by default
 * @property {string} [api] where the HTTP interface is; `/api/v1/` of the gateway's server by default
 * @property {import("./token.js").GetToken} [getToken] gives the access token, a fresh one when `refresh` is
 *   true; without it the page's session is the credential
 * @property {string[]} [transports] those to use, best first: `websocket`, `sse`, `polling`
 * @property {string[]} [topics] topics to follow besides those that come by themselves; the cursor holds for them too
 * @property {string} [cursor] the place up to which the page already holds everything
 * @property {import("./place.js").Store} [storage] keeps the cursor over reloads, for a page that keeps its
 *   state as well
 * @property {string} [share] tabs of one origin that give the same name share one connection; name it after the user
 * @property {(reset: Reset | null) => unknown} [getSnapshot] fetches and shows the present state; what
 *   arrives meanwhile is held back until it is done. It must end by itself, also on a dead line
 * @property {boolean} [autoAck] acknowledge an event that wants it once handlers of its type have had it and none
 *   failed; by default only `ack(id)` does, since an acknowledgement is the user's, on all of their devices
 * @property {Log} [log] is given every line, of whatever level; by default the console is, from `logLevel` up
 * @property {Level | "silent"} [logLevel] `warn` by default
 * @property {(direction: "in" | "out", message: any, transport: string) => void} [trace] sees every message
 * @property {Partial<import("./environment.js").Environment>} [environment]
 */

const LEVELS = ["debug", "info", "warn", "error"];
/** Best first. */
const TRANSPORTS = ["websocket", "sse", "polling"];

/** The transports to use; what none is called is left out, and said. @param {Options} options @param {Log} log */
export function transportsIn({ transports = TRANSPORTS }, log) {
  const known = transports.filter((name) => TRANSPORTS.includes(name));
  if (known.length < transports.length) log("error", `unknown transports in ${transports}: there are ${TRANSPORTS}`);
  return known.length ? known : TRANSPORTS;
}

/** Where lines go; a log that fails stops nothing. @param {Options} options @returns {Log} */
export function logOf({ log, logLevel }) {
  const write = log ?? consoleFrom(logLevel);
  return (...line) => {
    try {
      write(...line);
    } catch {} // There is nowhere to say it.
  };
}

/** @param {Level | "silent"} [least] @returns {Log} */
function consoleFrom(least = "warn") {
  const from = least === "silent" ? LEVELS.length : LEVELS.indexOf(least);
  return (level, message, detail = "") => {
    if (LEVELS.indexOf(level) >= from) console[level](`realtime: ${message}`, detail);
  };
}
