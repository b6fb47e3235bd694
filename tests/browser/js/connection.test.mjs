/** When the client connects, gives up, waits and comes back. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { live, settled, world } from "./world.mjs";

const waits = ({ statuses }) => statuses.filter(({ state }) => state === "waiting").map(({ retryInMs }) => retryInMs);
const states = ({ statuses }) => statuses.map(({ state }) => state);

test("the gateway is asked for close codes and given the page's cursor", () => {
  const there = world({ cursor: "page-7" });

  there.client.start();

  assert.equal(there.sockets.length, 1);
  assert.equal(there.socket.url.href, "wss://ledger.example/ws?refuse=close&cursor=page-7");
});

test("the client is live once the server has greeted, not before", () => {
  const there = world();
  there.client.start();

  const before = there.client.state;
  there.socket.greets();

  assert.equal(before, "connecting");
  assert.deepEqual(states(there), ["stopped", "connecting", "live"]);
});

test("starting twice opens one line", () => {
  const there = world();

  there.client.start();
  there.client.start();

  assert.equal(there.sockets.length, 1);
});

test("a refused line is tried again after 2, 4, 8, 16, 32 and again 32 seconds", () => {
  const there = world();
  there.client.start();

  for (let attempt = 0; attempt < 6; attempt++) {
    there.socket.closes();
    there.clock.pass(waits(there).at(-1));
  }

  assert.deepEqual(waits(there), [2000, 4000, 8000, 16_000, 32_000, 32_000]);
  assert.equal(there.sockets.length, 7);
});

test("chance spreads the waits from almost nothing to the whole step", () => {
  const halfway = world({ random: 0.5 });
  const soonest = world({ random: 0 });

  for (const there of [halfway, soonest]) {
    there.client.start();
    there.socket.closes(1012);
  }

  assert.deepEqual(waits(halfway), [1000]);
  assert.deepEqual(waits(soonest), [100]);
});

test("nothing is tried before the wait is over", () => {
  const there = world();
  there.client.start();
  there.socket.closes();

  there.clock.pass(1999);

  assert.equal(there.sockets.length, 1);
  assert.equal(there.client.state, "waiting");
});

test("a line that held for ten seconds starts the back-off anew, a shorter one does not", () => {
  const there = live();
  there.socket.closes();
  there.clock.pass(2000);
  there.socket.greets();
  there.clock.pass(9999);
  there.socket.closes();
  there.clock.pass(4000);
  there.socket.greets();
  there.clock.pass(10_000);

  there.socket.closes();

  assert.deepEqual(waits(there), [2000, 4000, 2000]);
});

for (const code of [1006, 1009, 1011, 1012, 4000, 4408, 4410, 4429, 4430, 4499]) {
  test(`close code ${code} means: come back`, () => {
    const there = live();

    there.socket.closes(code);
    there.clock.pass(40_000);

    assert.equal(there.sockets[1].cursor, "head");
    assert.equal(there.statuses.find(({ state }) => state === "waiting").code, code);
  });
}

for (const [code, signIn] of [
  [4401, true],
  [4500, false],
  [4501, true],
  [4503, true],
  [4505, false],
  [4999, false],
]) {
  test(`close code ${code} means: stop${signIn ? ", and sign in again" : ""}`, () => {
    const there = live();

    there.socket.closes(code);
    there.clock.pass(3_600_000);
    there.window.dispatchEvent(new Event("online"));

    assert.equal(there.sockets.length, 1);
    assert.deepEqual(there.client.status, { state: "stopped", transport: "", code, signIn, retryInMs: 0 });
  });
}

test("a server that says 'too many' is left alone for as long as its table says, also when the page wakes", () => {
  const there = live({ random: 0 });

  there.socket.closes(4430);
  there.window.dispatchEvent(new Event("online"));
  there.clock.pass(29_999);

  assert.deepEqual(waits(there), [30_000]);
  assert.equal(there.sockets.length, 1);
});

test("a line that never greets is given up after ten seconds", () => {
  const there = world();
  there.client.start();

  there.clock.pass(10_000);

  assert.equal(there.client.state, "waiting");
  assert.equal(there.socket.isClosed, true);
});

test("silence for the greeting's timeout means that the line is dead", () => {
  const there = live({}, { timeout: 60 });
  there.clock.pass(40_000);
  there.socket.says({ type: "Ping", cursor: "c1" });

  there.clock.pass(59_999);
  const before = there.client.state;
  there.clock.pass(1);

  assert.equal(before, "live");
  assert.equal(there.client.state, "waiting");
  assert.equal(there.socket.isClosed, true);
});

test("a clock that is set back hides no silence", () => {
  let setBack = 0;
  const there = world({ environment: { now: () => there.clock.now - setBack } });
  there.client.start();
  there.socket.greets({ timeout: 60 });

  setBack = 3_600_000;
  there.clock.pass(120_000);

  assert.equal(there.socket.isClosed, true);
  assert.equal(there.client.state, "waiting");
});

test("a Ping is answered with a Pong", () => {
  const there = live();

  there.socket.says({ type: "Ping", cursor: "c1" });

  assert.deepEqual(there.socket.sent, [{ command: "Pong" }]);
});

for (const type of ["online", "pageshow"]) {
  test(`'${type}' ends the waiting at once`, () => {
    const there = live();
    there.socket.closes();

    there.window.dispatchEvent(new Event(type));

    assert.equal(there.client.state, "connecting");
    assert.equal(there.sockets.length, 2);
  });
}

test("a page that becomes visible connects at once; one that is hidden waits on", () => {
  const there = live();
  there.socket.closes();

  there.document.hidden = true;
  there.document.dispatchEvent(new Event("visibilitychange"));
  const whileHidden = there.sockets.length;
  there.document.hidden = false;
  there.document.dispatchEvent(new Event("visibilitychange"));

  assert.equal(whileHidden, 1);
  assert.equal(there.sockets.length, 2);
});

test("a page that wakes on a dead line finds out in five seconds", () => {
  const there = live();
  there.clock.pass(20_000);

  there.document.dispatchEvent(new Event("visibilitychange"));
  there.clock.pass(5000);

  assert.deepEqual(there.socket.commands("Ping"), [{ command: "Ping" }]);
  assert.equal(there.client.state, "waiting");
});

test("a page that wakes on a good line keeps it, and goes on watching it", () => {
  const there = live();
  there.clock.pass(20_000);

  there.document.dispatchEvent(new Event("visibilitychange"));
  there.socket.says({ type: "Pong" });
  there.clock.pass(59_999);
  const before = there.client.state;
  there.clock.pass(1);

  assert.equal(before, "live");
  assert.equal(there.client.state, "waiting");
  assert.equal(there.sockets.length, 1);
});

test("a line that was given up is not listened to any more", () => {
  const there = live({}, { timeout: 60 });
  const old = there.socket;
  there.clock.pass(60_000);
  there.clock.pass(2000);

  old.says({ type: "TransactionUpdate", topic: "family:f", seq: 1, cursor: "late", id: "x", data: {} });
  old.closes(4503);

  assert.equal(there.client.cursor, "head");
  assert.equal(there.client.state, "connecting");
});

test("stop closes the line, and neither time nor waking opens another until start", () => {
  const there = live();

  there.client.stop();
  there.clock.pass(3_600_000);
  there.window.dispatchEvent(new Event("online"));
  const whileStopped = there.sockets.length;
  there.client.start();

  assert.equal(there.sockets[0].isClosed, true);
  assert.equal(whileStopped, 1);
  assert.equal(there.sockets.length, 2);
});

test("cutting the line of a client that is stopped opens none", () => {
  const fresh = world();
  const stopped = live();
  stopped.client.stop();

  for (const { client, clock } of [fresh, stopped]) {
    client.cut();
    clock.pass(40_000);
  }

  assert.deepEqual([fresh.sockets.length, stopped.sockets.length], [0, 1]);
  assert.deepEqual([fresh.client.state, stopped.client.state], ["stopped", "stopped"]);
});

test("a browser that will not even make the socket is a failed attempt, not an exception", async () => {
  class Forbidden {
    constructor() {
      throw new DOMException("insecure", "SecurityError");
    }
  }
  const there = world();
  const client = new there.client.constructor({
    url: "https://ledger.example/ws",
    transports: ["websocket"],
    log: () => {},
    environment: { WebSocket: Forbidden, window: undefined, document: undefined },
  });

  client.start();
  const { state } = client;
  client.stop();
  await settled();

  assert.equal(state, "waiting");
});

test("a watcher that fails stops neither the others nor the line", () => {
  const there = world();
  const seen = [];
  there.client.watch(() => {
    throw new Error("broken badge");
  });
  there.client.watch(({ state }) => seen.push(state));

  there.client.start();
  there.socket.greets();

  assert.deepEqual(seen, ["stopped", "connecting", "live"]);
  assert.equal(there.logged.filter(({ level }) => level === "error").length, 3);
});
