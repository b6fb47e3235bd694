/**
 * A page's surroundings for one client: a clock that moves when told, sockets that say what the test says.
 *
 * Separate from the tests so that each of them is only what happens and what follows.
 */

import { RealtimeClient } from "../../../realtime/static/realtime/client.js";
// What the client fetches when it needs it is here at once, so that a test need not wait for the disk.
import "../../../realtime/static/realtime/polling.js";
import "../../../realtime/static/realtime/sse.js";
import "../../../realtime/static/realtime/tabs.js";

/** The part of a browser's WebSocket that the client uses; the test plays the server. */
export class FakeSocket {
  sent = [];
  isClosed = false;

  constructor(url, protocols = []) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  get topics() {
    return this.url.searchParams.get("topics");
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
  greets({ cursor = "head", topics = {}, timeout = 60, expires_at = null, timestamp } = {}) {
    const heartbeat = { interval: timeout / 2, timeout };
    this.says({ type: "Connected", timestamp, data: { cursor, topics, heartbeat, expires_at } });
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

/** One request of the page; the test plays the server, whose answer may be a stream that it writes on. */
export class FakeRequest {
  constructor(url, { method = "GET", headers = {}, body, signal }) {
    this.url = new URL(url);
    this.method = method;
    this.headers = headers;
    this.body = body && JSON.parse(body);
    this.answer = new Promise((resolve, reject) => {
      Object.assign(this, { resolve, fail: () => reject(new TypeError("network")) });
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
    this.isClosed = false;
    signal?.addEventListener("abort", () => (this.isClosed = true));
  }

  get path() {
    return this.url.pathname.replace("/api/v1/", "");
  }

  param(name) {
    return this.url.searchParams.get(name);
  }

  async answers(data, status = 200, headers = {}) {
    this.resolve(new Response(status === 204 ? null : JSON.stringify(data), { status, headers }));
    await settled();
  }

  /** The answer to a poll. */
  async gives(events = [], { cursor = events.at(-1)?.cursor ?? "head", has_more = false, reset = [], ...rest } = {}) {
    await this.answers({ events, cursor, has_more, reset, poll_interval_ms: 1000, ...rest });
  }

  /** Begin a stream and greet on it. */
  async streams({ cursor = "head", topics = {}, expires_at = null, timestamp } = {}) {
    const body = new ReadableStream({ start: (controller) => (this.stream = controller) });
    this.resolve(new Response(body, { headers: { "Content-Type": "text/event-stream" } }));
    const heartbeat = { interval: 30, timeout: 60 };
    this.says({ type: "Connected", timestamp, data: { cursor, topics, heartbeat, expires_at } });
    await settled();
  }

  says(message, id = message.cursor) {
    this.writes(`${id ? `id: ${id}\n` : ""}event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`);
  }

  writes(text) {
    this.stream.enqueue(new TextEncoder().encode(text));
  }
}

/** A client in a fresh world, on a WebSocket alone; `random` 1 makes each wait as long as its back-off step. */
export function world({ random = 1, environment = {}, ...options } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const requests = [];
  const logged = [];
  const statuses = [];
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { hidden: false });
  class WebSocket extends FakeSocket {
    constructor(url, protocols) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const client = new RealtimeClient({
    url: "https://ledger.example/ws",
    transports: ["websocket"],
    log: (level, message, detail) => logged.push({ level, message, detail }),
    environment: {
      WebSocket,
      fetch: (url, init) => {
        requests.push(new FakeRequest(url, init));
        return requests.at(-1).answer;
      },
      setTimeout: (action, ms) => clock.setTimeout(action, ms),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      now: () => clock.now,
      random: () => random,
      window,
      document,
      locks: undefined,
      BroadcastChannel: undefined,
      ...environment,
    },
    ...options,
  });
  client.watch((status) => statuses.push(status));
  const world = { client, clock, sockets, requests, logged, statuses, window, document };
  Object.defineProperty(world, "socket", { get: () => sockets.at(-1) });
  Object.defineProperty(world, "request", { get: () => requests.at(-1) });
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
