/** The cursor over reloads, what the page may hear of the client's doings, and the waiting of many. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { deferred, event, live, settled, world } from "./world.mjs";

/** A storage that counts how often it is written. */
function storage(cursor) {
  const kept = new Map(cursor ? [["realtime.cursor", cursor]] : []);
  return {
    kept,
    writes: 0,
    getItem: (key) => kept.get(key) ?? null,
    setItem(key, value) {
      this.writes++;
      kept.set(key, value);
    },
  };
}

test("the cursor is kept over reloads, written once a second at most and when the page goes", () => {
  const store = storage();
  const there = live({ storage: store });

  for (let seq = 1; seq <= 100; seq++) there.socket.says(event(seq));
  there.clock.pass(1000);
  const written = [store.writes, store.kept.get("realtime.cursor")];
  there.socket.says(event(101));
  there.window.dispatchEvent(new Event("pagehide"));
  const again = world({ storage: store });
  again.client.start();

  assert.deepEqual(written, [1, "c100"]);
  assert.equal(again.socket.cursor, "c101");
});

test("a page's own cursor wins over the one that was kept", () => {
  const there = world({ storage: storage("kept"), cursor: "page" });

  there.client.start();

  assert.equal(there.socket.cursor, "page");
});

test("the place of a Reset is kept once its snapshot is shown, not before: a page that went would come back with a hole", async () => {
  const store = storage("c5");
  const snapshot = deferred();
  const there = live({ storage: store, getSnapshot: () => snapshot.promise });

  there.socket.says({ type: "Reset", data: { reason: "trimmed", cursor: "r9" } });
  there.clock.pass(1000);
  there.window.dispatchEvent(new Event("pagehide"));
  const before = store.kept.get("realtime.cursor");
  snapshot.resolve();
  await settled();
  there.clock.pass(1000);

  assert.deepEqual([before, store.kept.get("realtime.cursor")], ["c5", "r9"]);
});

test("a storage that refuses is done without", () => {
  const refuse = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const there = live({ storage: { getItem: refuse, setItem: refuse } });

  there.socket.says(event(1));
  there.clock.pass(1000);

  assert.equal(there.client.cursor, "c1");
});

test("trace sees what goes out and what comes in", async () => {
  const seen = [];
  const trace = (direction, { type, command }, transport) => seen.push([direction, type ?? command, transport]);
  const there = live({ trace });

  void there.client.request("accounts");
  there.socket.says(event(1));

  assert.deepEqual(seen, [
    ["in", "Connected", "websocket"],
    ["out", "Request", "websocket"],
    ["in", "TransactionUpdate", "websocket"],
  ]);
});

test("a line that the page cuts comes back with the cursor", () => {
  const there = live();
  there.socket.says(event(1));

  there.client.cut();
  there.clock.pass(2000);

  assert.equal(there.sockets[0].isClosed, true);
  assert.equal(there.socket.cursor, "c1");
});

test("the log is as loud as it was asked to be", (context) => {
  const lines = [];
  for (const level of ["debug", "info", "warn", "error"]) context.mock.method(console, level, () => lines.push(level));
  const heard = (logLevel) => {
    lines.length = 0;
    const there = world({ log: undefined, logLevel });
    there.client.start();
    there.socket.greets();
    there.socket.says("nonsense");
    there.client.stop();
    return new Set(lines);
  };

  assert.deepEqual(heard("silent"), new Set());
  assert.deepEqual(heard(undefined), new Set(["warn"]));
  assert.deepEqual(heard("debug"), new Set(["debug", "warn"]));
});
