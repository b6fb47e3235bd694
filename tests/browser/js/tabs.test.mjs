/** Tabs that share a connection: one holds it, the others hear of everything once, and one of them takes over. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, event, settled, world } from "./world.mjs";

const seqs = (events) => events.map(({ seq }) => seq);

/** One origin's lock and channels, as its tabs see them. */
function origin() {
  const queue = [];
  const channels = new Set();
  const asked = [];
  let isHeld = false;
  const next = () => {
    const turn = queue.find(({ signal }) => !signal?.aborted);
    if (isHeld || !turn) return;
    queue.splice(queue.indexOf(turn), 1);
    isHeld = true;
    void Promise.resolve(turn.callback({})).finally(() => {
      isHeld = false;
      next();
    });
  };
  const locks = {
    request: async (name, { signal }, callback) => {
      asked.push(name);
      queue.push({ signal, callback });
      await Promise.resolve();
      next();
    },
  };
  class BroadcastChannel {
    constructor(name) {
      this.name = name;
      channels.add(this);
    }
    postMessage(data) {
      for (const other of channels) {
        if (other === this || other.name !== this.name) continue;
        queueMicrotask(() => channels.has(other) && other.onmessage({ data }));
      }
    }
    close() {
      channels.delete(this);
    }
  }
  return { locks, BroadcastChannel, asked, channels };
}

/** A holder whose WebSocket is live, and a guest that has caught up. */
async function pair(options = {}) {
  const environment = origin();
  const holder = world({ share: "alice", cursor: "page", environment });
  holder.client.start();
  await settled();
  holder.socket.greets();
  const guest = world({ share: "alice", cursor: "page", environment, ...options });
  guest.client.start();
  await settled();
  await guest.request.gives();
  return { holder, guest, environment };
}

test("the second tab opens no connection, and hears what the first does", async () => {
  const { holder, guest } = await pair();
  const given = [collect(holder.client), collect(guest.client)];

  holder.socket.says(event(1));
  holder.socket.says(event(2));
  await settled();

  assert.deepEqual(given.map(seqs), [
    [1, 2],
    [1, 2],
  ]);
  assert.equal(guest.sockets.length, 0);
  assert.deepEqual([guest.client.state, guest.client.transport, guest.client.cursor], ["live", "tab", "c2"]);
});

test("a tab that joins is told what it lacks and what comes meanwhile, each once", async () => {
  const { holder, environment } = await pair();
  const late = world({ share: "alice", cursor: "old", environment });
  const given = collect(late.client);
  late.client.start();
  await settled();

  holder.socket.says(event(2));
  holder.socket.says(event(3));
  await settled();
  await late.request.gives([event(1), event(2)]);

  assert.equal(late.requests[0].param("cursor"), "old");
  assert.deepEqual(seqs(given), [1, 2, 3]);
  assert.equal(late.client.cursor, "c3");
});

test("when the holder stops, another takes over from its own cursor", async () => {
  const { holder, guest } = await pair();
  holder.socket.says(event(1));
  await settled();

  holder.client.stop();
  await settled();
  guest.socket.greets();

  assert.equal(guest.sockets.length, 1);
  assert.equal(guest.socket.cursor, "c1");
  assert.deepEqual([guest.client.state, guest.client.transport], ["live", "websocket"]);
});

test("a third tab asks for what went unsaid between two holders", async () => {
  const { holder, guest, environment } = await pair();
  const third = world({ share: "alice", cursor: "page", environment });
  const given = collect(third.client);
  third.client.start();
  await settled();
  await third.request.gives();
  holder.socket.says(event(1));
  await settled();

  holder.client.stop();
  await settled();
  guest.socket.greets();
  guest.socket.says(event(3));
  await settled();
  await third.requests.at(-1).gives([event(2), event(3)]);

  assert.ok(!third.statuses.some(({ state }) => state === "waiting"));
  assert.equal(third.requests.at(-1).param("cursor"), "c1");
  assert.deepEqual(seqs(given), [1, 2, 3]);
});

test("a holder whose line is down says so, and says when it is back", async () => {
  const { holder, guest } = await pair();

  holder.socket.closes();
  await settled();
  const whileDown = guest.client.state;
  holder.clock.pass(2000);
  holder.socket.greets();
  await settled();
  await guest.request.gives();

  assert.equal(whileDown, "waiting");
  assert.deepEqual([guest.client.state, guest.client.transport], ["live", "tab"]);
  assert.equal(guest.sockets.length, 0);
});

test("a sign-out ends all tabs", async () => {
  const { holder, guest } = await pair();

  holder.socket.closes(4503);
  await settled();

  assert.deepEqual([holder.client.state, guest.client.state], ["stopped", "stopped"]);
  assert.equal(guest.client.status.signIn, true);
});

test("a holder that does not answer is done without", async () => {
  const environment = origin();
  await environment.locks.request("", {}, () => new Promise(() => undefined));
  const there = world({ share: "alice", environment });
  there.client.start();
  await settled();

  there.clock.pass(3000);
  there.socket.greets();

  assert.equal(there.client.transport, "websocket");
});

test("a tab that had to connect by itself tells the others when it becomes the holder", async () => {
  const { holder, guest, environment } = await pair();
  guest.clock.pass(125_000); // the holder has gone silent, as it would when it is frozen
  guest.socket.greets();
  const third = world({ share: "alice", cursor: "page", environment });
  third.client.start();
  await settled();
  await third.request.gives();

  holder.client.stop();
  await settled();
  await third.request.gives([event(1)]);
  guest.socket.says(event(2));
  await settled();

  assert.equal(guest.sockets.length, 1);
  assert.equal(third.client.cursor, "c2");
});

test("replies are the holder's own business", async () => {
  const { holder, guest } = await pair();
  const replies = collect(guest.client, "*");
  void holder.client.request("accounts");

  holder.socket.says({ type: "Response", reply_to: holder.socket.sent[0].id, data: {} });
  holder.socket.says({ type: "Error", data: { code: "rate_limited", message: "" } });
  holder.socket.says({ type: "Unsubscribed", data: { topic: "family:f", reason: "revoked" } });
  await settled();

  assert.deepEqual(
    replies.map(({ type }) => type),
    ["Unsubscribed"],
  );
});

test("a tab that asks for a topic of its own has a connection of its own", async () => {
  const { guest } = await pair();

  void guest.client.subscribe("account:a");
  guest.socket.greets();

  assert.equal(guest.client.transport, "websocket");
  assert.deepEqual(guest.socket.commands("Subscribe")[0].data, { topic: "account:a" });
});

test("a guest's requests and Acks go by HTTP", async () => {
  const { guest } = await pair();

  void guest.client.request("accounts");
  guest.client.ack("id-1");
  await settled();

  assert.deepEqual(
    guest.requests.slice(-2).map(({ path }) => path),
    ["snapshot", "events/ack"],
  );
});

test("tabs without a name, and browsers without locks, connect on their own", async () => {
  const environment = origin();
  const unnamed = [world({ environment }), world({ environment })];
  const lockless = world({ share: "alice" });

  for (const { client } of [...unnamed, lockless]) client.start();
  await settled();

  assert.deepEqual(
    [...unnamed, lockless].map(({ sockets }) => sockets.length),
    [1, 1, 1],
  );
});

test("a tab whose line to the others breaks stands in line for the connection once", async () => {
  const { guest, holder, environment } = await pair();

  guest.client.cut();
  guest.clock.pass(32_000);
  await settled();
  await guest.request.gives();

  assert.deepEqual([guest.client.state, guest.client.transport], ["live", "tab"]);
  assert.equal(environment.asked.length, 2);
  assert.equal(environment.channels.size, 2);
  assert.equal(holder.client.state, "live");
});

test("a holder that follows a topic of its own makes way for another", async () => {
  const { holder, guest } = await pair();

  void holder.client.subscribe("account:a");
  await settled();
  guest.socket.greets();

  assert.deepEqual([guest.client.state, guest.client.transport], ["live", "websocket"]);
  assert.equal(holder.client.transport, "websocket");
});
