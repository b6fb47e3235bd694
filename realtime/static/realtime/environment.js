/**
 * What the client takes from outside: the clock, chance, sockets, requests, and who says that the page woke.
 *
 * Separate so that its tests can hold all of it in their hands, and so that it runs where there is no browser.
 *
 * @module
 */

/**
 * @typedef {object} Environment
 * @property {new (url: string, protocols?: string[]) => WebSocket} WebSocket
 * @property {(url: string, init?: RequestInit) => Promise<Response>} fetch
 * @property {(action: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now milliseconds
 * @property {() => number} random
 * @property {EventTarget | undefined} window
 * @property {Document | undefined} document
 * @property {LockManager | undefined} locks
 * @property {(new (name: string) => BroadcastChannel) | undefined} BroadcastChannel
 */

/** @returns {Environment} */
export function browser() {
  const { WebSocket, BroadcastChannel, navigator, window, document } = globalThis;
  return {
    WebSocket,
    BroadcastChannel,
    fetch: (url, init) => globalThis.fetch(url, init),
    setTimeout: (action, ms) => globalThis.setTimeout(action, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    now: () => Date.now(),
    random: () => Math.random(),
    window,
    document,
    locks: navigator?.locks,
  };
}
