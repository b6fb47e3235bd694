/**
 * A page's surroundings for one client: a clock that moves when told, sockets that say what the test says.
 *
 * Separate from the tests so that each of them is only what happens and what follows.
 */

import { RealtimeClient } from "../../../realtime/static/realtime/client.js";

/** The part of a browser's WebSocket that the client uses; the test plays the server. */
export class FakeSocket {
  sent = [];
  isClosed = false;

  constructor(url) {
    this.url = new URL(url);
  }

  get cursor() {
    return this.url.searchParams.get("cursor");
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  /** The server says something. */
  says(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** The server greets: from here on the line is live. */
  greets({ cursor = "head", topics = {}, timeout = 60 } = {}) {
    this.says({ type: "Connected", data: { cursor, topics, heartbeat: { interval: timeout / 2, timeout } } });
  }

  /** The line closes, by the server's wish or by nobody's. */
  closes(code = 1006) {
    this.onclose({ code });
  }

  /** What was sent of one command. */
  commands(name) {
    return this.sent.filter(({ command }) => command === name);
  }
}

export class FakeClock {
  now = 1_000_000;
  #timers = new Map();
  #last = 0;

  setTimeout(action, ms) {
    this.#timers.set(++this.#last, { action, at: this.now + ms });
    return this.#last;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** Let `ms` pass, running what falls due on the way. */
  pass(ms) {
    const end = this.now + ms;
    for (let next = this.#due(end); next; next = this.#due(end)) {
      this.#timers.delete(next[0]);
      this.now = next[1].at;
      next[1].action();
    }
    this.now = end;
  }

  #due(end) {
    return [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

/** A client in a fresh world; `random` 1 makes each wait as long as its back-off step. */
export function world({ random = 1, ...options } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const logged = [];
  const statuses = [];
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { hidden: false });
  class WebSocket extends FakeSocket {
    constructor(url) {
      super(url);
      sockets.push(this);
    }
  }
  const client = new RealtimeClient({
    url: "https://ledger.example/ws",
    log: (level, message, detail) => logged.push({ level, message, detail }),
    environment: {
      WebSocket,
      setTimeout: (action, ms) => clock.setTimeout(action, ms),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      now: () => clock.now,
      random: () => random,
      window,
      document,
    },
    ...options,
  });
  client.watch((status) => statuses.push(status));
  const world = { client, clock, sockets, logged, statuses, window, document };
  Object.defineProperty(world, "socket", { get: () => sockets.at(-1) });
  return world;
}

/** A world whose client is connected. */
export function live(options, greeting) {
  const there = world(options);
  there.client.start();
  there.socket.greets(greeting);
  return there;
}

/** One logged event of the topic, at its place. */
export function event(seq, { topic = "family:f", type = "TransactionUpdate", ...rest } = {}) {
  return { type, topic, seq, cursor: `c${seq}`, id: `id-${topic}-${seq}`, timestamp: "t", data: { seq }, ...rest };
}

/** Collect what handlers of `type` are given. */
export function collect(client, type = "TransactionUpdate") {
  const given = [];
  client.on(type, (message) => given.push(message));
  return given;
}

/** A promise with its handles outside; what snapshots are made of here. */
export function deferred() {
  const handles = {};
  handles.promise = new Promise((resolve, reject) => Object.assign(handles, { resolve, reject }));
  return handles;
}

/** Let everything that is already settled run its course. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
