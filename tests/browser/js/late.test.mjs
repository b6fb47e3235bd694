/** What a page fetches at once, what later, and what becomes of a line whose module does not come. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Connection } from "../../../realtime/static/realtime/connection.js";
import { FakeClock, settled, world } from "./world.mjs";

const HOME = new URL("../../../realtime/static/realtime/", import.meta.url);
const STATIC_IMPORT = /^(?:import|export)\s[^;]*?from\s+"\.\/([^"]+)"|^import\s+"\.\/([^"]+)"/gm;

/** The modules that a browser fetches for `name` before it runs a line of it. */
function fetchedFor(name, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, from, alone] of readFileSync(new URL(name, HOME), "utf8").matchAll(STATIC_IMPORT)) {
    fetchedFor(from ?? alone, found);
  }
  return found;
}

/** A line that its test ends; what opens it notes that it did. */
function opening(opened, name) {
  return (listener) => {
    opened.push({ name, listener });
    return { send() {}, close() {} };
  };
}

/** A connection over transports that the test makes. */
function connected(transports) {
  const clock = new FakeClock();
  const statuses = [];
  const connection = new Connection(
    {
      transports,
      canMend: () => false,
      heard() {},
      note() {},
      changed: ({ state, transport }) => statuses.push(`${state} ${transport}`.trim()),
    },
    Object.keys(transports),
    {
      setTimeout: (action, ms) => clock.setTimeout(action, ms),
      clearTimeout: (timer) => clock.clearTimeout(timer),
      now: () => clock.now,
      random: () => 1,
    },
  );
  connection.start();
  return { clock, statuses, connection };
}

const GREETING = { type: "Connected", data: {} };

test("a page that stays on its WebSocket is given neither streams nor polling nor tabs to fetch first", () => {
  const core = fetchedFor("client.js");

  assert.ok(core.has("websocket.js") && core.has("connection.js") && core.size > 10);
  assert.deepEqual(["sse.js", "polling.js", "tabs.js", "http.js", "newest.js"].filter((name) => core.has(name)), []);
});

test("a transport whose module does not come gives way to the next, and is fetched again when it is needed", async () => {
  const opened = [];
  let fetched = 0;
  const there = connected({
    sse: { patienceMs: 1, fetch: async () => assert.fail(`no network ${++fetched}`) },
    polling: { patienceMs: 1, open: opening(opened, "polling") },
  });
  await settled();

  opened[0].listener.closed(1006);
  there.clock.pass(2000);
  await settled();

  assert.equal(fetched, 2);
  assert.deepEqual(opened.map(({ name }) => name), ["polling", "polling"]);
});

test("a line that was given up before its module came is never opened", async () => {
  const opened = [];
  let come;
  const module = new Promise((resolve) => (come = resolve));
  const there = connected({ sse: { patienceMs: 6000, fetch: () => module } });

  there.connection.stop();
  come(opening(opened, "sse"));
  await settled();

  assert.deepEqual(opened, []);
});

test("a module that does not come in time is a transport that failed", async () => {
  const opened = [];
  const there = connected({
    sse: { patienceMs: 6000, fetch: () => new Promise(() => undefined) },
    polling: { patienceMs: 1, open: opening(opened, "polling") },
  });

  there.clock.pass(6000);

  assert.deepEqual(opened.map(({ name }) => name), ["polling"]);
});

test("in a quiet moment the page fetches what it may fall to, and nothing else", async () => {
  const opened = [];
  const fetched = [];
  const later = (name) => ({ patienceMs: 1, fetch: async () => fetched.push(name) });
  const there = connected({
    websocket: { patienceMs: 1, open: opening(opened, "websocket") },
    sse: later("sse"),
    polling: { ...later("polling"), open: opening(opened, "polling") },
  });
  opened[0].listener.heard(GREETING);

  there.clock.pass(9_999);
  const before = [...fetched];
  there.clock.pass(1);

  assert.deepEqual([before, fetched], [[], ["sse"]]);
  assert.deepEqual(there.statuses, ["connecting websocket", "live websocket"]);
});

test("a transport that there is none of is left out and said; without any left, all are used", () => {
  const some = world({ transports: ["carrier pigeon", "websocket"] });
  const none = world({ transports: ["carrier pigeon"] });

  for (const there of [some, none]) there.client.start();

  for (const there of [some, none]) {
    assert.deepEqual([there.client.state, there.client.transport], ["connecting", "websocket"]);
    assert.match(there.logged[0].message, /unknown transports in carrier pigeon/);
  }
});
