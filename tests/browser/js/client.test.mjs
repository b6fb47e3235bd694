/** What the client tells the page, in which order, how often, and from where it resumes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { collect, deferred, event, live, settled, world } from "./world.mjs";

const seqs = (events) => events.map(({ seq }) => seq);

/** Break the line and let the next one greet. */
function reconnect(there, greeting) {
  there.socket.closes();
  there.clock.pass(there.client.status.retryInMs);
  there.socket.greets(greeting);
}

test("each event is told to the handlers of its type and of '*', in order", () => {
  const there = live();
  const transactions = collect(there.client);
  const all = collect(there.client, "*");

  there.socket.says(event(1));
  there.socket.says(event(2, { type: "AccountBalanceUpdate" }));
  there.socket.says(event(3));

  assert.deepEqual(seqs(transactions), [1, 3]);
  assert.deepEqual(seqs(all), [1, 2, 3]);
});

test("a handler that was taken away is not called", () => {
  const there = live();
  const given = [];
  const off = there.client.on("TransactionUpdate", ({ seq }) => given.push(seq));
  there.socket.says(event(1));

  off();
  there.socket.says(event(2));

  assert.deepEqual(given, [1]);
});

test("a handler that fails stops neither the others nor the cursor", () => {
  const there = live();
  there.client.on("TransactionUpdate", () => {
    throw new Error("broken page");
  });
  const given = collect(there.client);

  there.socket.says(event(1));

  assert.deepEqual(seqs(given), [1]);
  assert.equal(there.client.cursor, "c1");
  assert.deepEqual(there.logged.at(-1).message, "a handler failed");
});

test("the second of two events with one id is dropped, on whatever topic", () => {
  const there = live();
  const given = collect(there.client);

  there.socket.says(event(1, { id: "same" }));
  there.socket.says(event(9, { id: "same", topic: "account:a", cursor: "c2" }));

  assert.deepEqual(seqs(given), [1]);
  assert.equal(there.client.cursor, "c2");
});

test("the last 1,000 ids are remembered, and not one more", () => {
  const there = live();
  const given = collect(there.client);
  for (let seq = 1; seq <= 1001; seq++) there.socket.says(event(seq));

  there.socket.says(event(2));
  there.socket.says(event(1));

  assert.equal(given.length, 1002);
  assert.equal(given.at(-1).seq, 1);
});

test("events without an id, which are not kept anywhere, are told each time", () => {
  const there = live();
  const given = collect(there.client, "PresenceUpdate");

  there.socket.says({ type: "PresenceUpdate", topic: "family:f", data: { online: true } });
  there.socket.says({ type: "PresenceUpdate", topic: "family:f", data: { online: true } });

  assert.equal(given.length, 2);
  assert.equal(there.client.cursor, "head");
});

for (const [what, text] of [
  ["not JSON", "{"],
  ["not a message", "[1]"],
  ["null", "null"],
  ["without a type", "{}"],
]) {
  test(`a frame that is ${what} is left aside and logged`, () => {
    const there = live();

    there.socket.says(text);
    there.socket.says(event(1));

    assert.equal(there.client.cursor, "c1");
    assert.equal(there.logged.filter(({ level }) => level === "warn").length, 1);
  });
}

test("the next line resumes from the newest event that was told", () => {
  const there = live({ cursor: "page" });
  there.socket.says(event(1));
  there.socket.says(event(2));

  reconnect(there);

  assert.equal(there.socket.cursor, "c2");
});

test("a greeting moves no cursor that was handed over: the missed events are still to come", () => {
  const there = live({ cursor: "page" }, { cursor: "head" });

  reconnect(there);

  assert.equal(there.client.cursor, "page");
  assert.equal(there.socket.cursor, "page");
});

test("without a page's cursor the first greeting's is the start", () => {
  const there = live({}, { cursor: "head" });

  reconnect(there);

  assert.equal(there.socket.cursor, "head");
});

test("a Ping keeps the cursor of a quiet page fresh", () => {
  const there = live({ cursor: "page" });

  there.socket.says({ type: "Ping", cursor: "later" });

  assert.equal(there.client.cursor, "later");
});

test("a Response moves no cursor: later events may have been told already", async () => {
  const there = live({ cursor: "page" });
  const answer = there.client.request("accounts");
  there.socket.says(event(5));

  const { id } = there.socket.sent[0];
  there.socket.says({ type: "Response", reply_to: id, data: { resource: "accounts", result: [], cursor: "c4" } });

  assert.equal((await answer).cursor, "c4");
  assert.equal(there.client.cursor, "c5");
});

// --- snapshots ------------------------------------------------------------------------------------

const RESET = { type: "Reset", data: { reason: "trimmed", cursor: "c10", topics: { "family:f": 10 } } };

test("on Reset the page fetches a snapshot, and later events are told after it", async () => {
  const snapshot = deferred();
  const asked = [];
  const there = live({
    getSnapshot: (reset) => {
      asked.push(reset.reason);
      return snapshot.promise;
    },
  });
  const given = collect(there.client);
  there.socket.says(RESET);
  there.socket.says(event(11));
  there.socket.says({ type: "Ping", cursor: "c11" });
  await settled();
  const [toldBefore, cursorBefore] = [given.length, there.client.cursor];

  snapshot.resolve();
  await settled();

  assert.deepEqual(asked, ["trimmed"]);
  assert.deepEqual([toldBefore, cursorBefore], [0, "c10"]);
  assert.deepEqual(seqs(given), [11]);
  assert.equal(there.client.cursor, "c11");
});

test("a line that breaks during the snapshot loses nothing: what was held comes again, after a new snapshot", async () => {
  const snapshots = [];
  const there = live({ getSnapshot: () => (snapshots.push(deferred()), snapshots.at(-1).promise) });
  const given = collect(there.client);
  there.socket.says(RESET);
  there.socket.says(event(11));
  await settled();

  reconnect(there);
  there.socket.says(event(11, { replayed: true }));
  snapshots[0].resolve();
  await settled();
  const toldBefore = given.length;
  snapshots[1].resolve();
  await settled();

  assert.equal(there.socket.cursor, "c10");
  assert.equal(snapshots.length, 2);
  assert.equal(toldBefore, 0);
  assert.deepEqual(seqs(given), [11]);
});

test("a snapshot that fails is tried again on the next line", async () => {
  let attempts = 0;
  const there = live({
    getSnapshot: async () => {
      if (++attempts === 1) throw new Error("503");
    },
  });
  const given = collect(there.client);
  there.socket.says(RESET);
  there.socket.says(event(11));
  await settled();
  const { state } = there.client;

  there.clock.pass(2000);
  there.socket.greets();
  there.socket.says(event(11));
  await settled();

  assert.equal(state, "waiting");
  assert.equal(attempts, 2);
  assert.deepEqual(seqs(given), [11]);
});

test("of two resets in a row only what came after the second is told, after the second's snapshot", async () => {
  const snapshots = [];
  const there = live({ getSnapshot: () => (snapshots.push(deferred()), snapshots.at(-1).promise) });
  const given = collect(there.client);
  there.socket.says(RESET);
  there.socket.says(event(11));
  await settled();

  there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n3", topics: {} } });
  there.socket.says(event(4, { cursor: "n4" }));
  snapshots[0].resolve();
  await settled();
  snapshots[1].resolve();
  await settled();

  assert.deepEqual(seqs(given), [4]);
  assert.equal(there.client.cursor, "n4");
});

test("refresh holds later events back until the page has its state", async () => {
  const snapshot = deferred();
  const there = live({ getSnapshot: () => snapshot.promise });
  const given = collect(there.client);

  there.client.refresh();
  there.socket.says(event(1));
  const toldBefore = given.length;
  snapshot.resolve();
  await settled();

  assert.equal(toldBefore, 0);
  assert.deepEqual(seqs(given), [1]);
});

test("a refresh asked for while the line is down happens on the next one", async () => {
  let snapshots = 0;
  const there = live({ getSnapshot: () => void snapshots++ });
  there.socket.closes();

  there.client.refresh();
  await settled();
  const whileDown = snapshots;
  there.clock.pass(2000);
  there.socket.greets();
  await settled();

  assert.equal(whileDown, 0);
  assert.equal(snapshots, 1);
});

test("a page without a snapshot goes on after a Reset", async () => {
  const there = live();
  const given = collect(there.client);

  there.socket.says(RESET);
  there.socket.says(event(11));
  await settled();

  assert.deepEqual(seqs(given), [11]);
});

// --- commands -------------------------------------------------------------------------------------

test("a request is answered by the reply to its id", async () => {
  const there = live();

  const first = there.client.request("account_balance", { account_id: "a" });
  const second = there.client.request("credit_balance");
  const [{ id: firstId }, { id: secondId }] = there.socket.sent;
  there.socket.says({ type: "Response", reply_to: secondId, data: { result: 2 } });
  there.socket.says({ type: "Response", reply_to: firstId, data: { result: 1 } });

  assert.deepEqual(there.socket.sent[0], {
    command: "Request",
    data: { resource: "account_balance", params: { account_id: "a" } },
    id: firstId,
  });
  assert.deepEqual([(await first).result, (await second).result], [1, 2]);
});

test("what a handler asks when the line is greeted is asked once", () => {
  const there = world();
  there.client.on("Connected", () => void there.client.request("presence"));
  there.client.start();

  there.socket.greets();

  assert.equal(there.socket.commands("Request").length, 1);
});

test("a refused request is rejected with the protocol's code", async () => {
  const there = live();

  const answer = there.client.request("nonsense");
  there.socket.says({
    type: "Error",
    reply_to: there.socket.sent[0].id,
    data: { code: "unknown_resource", message: "Ask for one of …" },
  });

  await assert.rejects(answer, { name: "RealtimeError", code: "unknown_resource", message: "Ask for one of …" });
});

test("a request asked while the line is down, or cut off by it, is asked on the next one", async () => {
  const there = live();
  const cut = there.client.request("accounts");
  there.socket.closes();
  const early = there.client.request("credit_balance");

  there.clock.pass(2000);
  there.socket.greets();
  for (const { id, data } of there.socket.sent) {
    there.socket.says({ type: "Response", reply_to: id, data: { result: data.resource } });
  }

  assert.deepEqual([(await cut).result, (await early).result], ["accounts", "credit_balance"]);
});

test("a request without an answer ends after 30 seconds, and a stopped client ends all of them", async () => {
  const there = live();
  const slow = there.client.request("accounts");
  there.clock.pass(30_000);
  const stopped = there.client.request("accounts");

  there.client.stop();

  await assert.rejects(slow, { code: "timeout" });
  await assert.rejects(stopped, { code: "stopped" });
});

test("a rejection that nobody awaits stays out of the console", async () => {
  const unhandled = [];
  const note = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const there = live();

  void there.client.request("accounts");
  void there.client.subscribe("family:x");
  there.client.stop();
  await settled();
  process.off("unhandledRejection", note);

  assert.deepEqual(unhandled, []);
});

test("no more than 25 requests wait at a time", async () => {
  const there = world();
  for (let count = 0; count < 25; count++) void there.client.request("accounts");

  await assert.rejects(there.client.request("accounts"), { code: "too_many_requests" });
});

test("a topic that was granted is named on the next line, and the cursor holds for it", async () => {
  const there = live();
  const subscribed = there.client.subscribe("account:a", { after: 3 });
  const { id, ...asked } = there.socket.sent[0];
  const said = { type: "Subscribed", reply_to: id, data: { topic: "account:a", seq: 5, replayed: 2 } };
  there.socket.says(said);
  there.socket.says(event(6, { topic: "account:a" }));

  reconnect(there);

  assert.deepEqual(asked, { command: "Subscribe", data: { topic: "account:a", after: 3 } });
  assert.equal((await subscribed).seq, 5);
  assert.deepEqual([there.socket.topics, there.socket.cursor], ["account:a", "c6"]);
  assert.deepEqual(there.socket.commands("Subscribe"), []);
});

test("topics given from the start are named on each line", () => {
  const there = live({ topics: ["account:b", "account:a"], cursor: "page" });

  reconnect(there);

  assert.deepEqual(
    there.sockets.map(({ topics, cursor }) => [topics, cursor]),
    [
      ["account:a,account:b", "page"],
      ["account:a,account:b", "page"],
    ],
  );
});

test("when one of the named topics is refused, each is asked for alone, and the page fetches its state", async () => {
  let snapshots = 0;
  const there = world({ topics: ["account:a", "account:b"], cursor: "page", getSnapshot: () => void snapshots++ });
  there.client.start();
  there.socket.closes(4505);
  there.clock.pass(2000);
  there.socket.greets();
  const [first, second] = there.socket.commands("Subscribe");
  there.socket.says({ type: "Error", reply_to: first.id, data: { code: "forbidden", message: "" } });
  there.socket.says({ type: "Subscribed", reply_to: second.id, data: { topic: second.data.topic, seq: 1 } });
  await settled();

  reconnect(there);

  assert.equal(there.sockets[1].topics, null);
  assert.equal(snapshots, 1);
  assert.equal(there.socket.topics, "account:b");
});

test("a subscription that was not confirmed is asked for again, as it was", () => {
  const there = live();
  void there.client.subscribe("account:a", { after: 3 });

  reconnect(there);

  assert.equal(there.socket.commands("Subscribe").length, 1);
  assert.deepEqual(there.socket.commands("Subscribe")[0].data, { topic: "account:a", after: 3 });
});

test("a refused topic is forgotten", async () => {
  const there = live();
  const refused = there.client.subscribe("account:b");
  there.socket.says({ type: "Error", reply_to: there.socket.sent[0].id, data: { code: "forbidden", message: "" } });
  await assert.rejects(refused, { code: "forbidden" });

  reconnect(there);

  assert.deepEqual(there.socket.sent, []);
});

test("a topic that was revoked or unsubscribed is not asked for again", () => {
  const there = live();
  for (const topic of ["account:a", "account:b"]) {
    void there.client.subscribe(topic);
    const { id } = there.socket.sent.at(-1);
    there.socket.says({ type: "Subscribed", reply_to: id, data: { topic, seq: 1 } });
  }

  there.socket.says({ type: "Unsubscribed", data: { topic: "account:a", reason: "revoked" } });
  there.client.unsubscribe("account:b");
  const last = there.socket.sent.at(-1);
  reconnect(there);

  assert.deepEqual(last, { command: "Unsubscribe", data: { topic: "account:b" } });
  assert.deepEqual(there.socket.sent, []);
});

test("an Ack is said again when the server gives the event again", () => {
  const there = live();
  const given = collect(there.client, "Notification");
  const notice = event(1, { type: "Notification", ack: true });
  there.socket.says(notice);
  there.client.ack(notice.id);

  reconnect(there);
  there.socket.says({ ...notice, replayed: true, cursor: undefined });

  assert.equal(given.length, 1);
  assert.deepEqual(there.socket.commands("Ack"), [{ command: "Ack", data: { message_id: notice.id } }]);
});

test("a Reset is told to its handlers before the state is fetched", async () => {
  const order = [];
  const there = live({ getSnapshot: () => order.push("snapshot") });
  there.client.on("Reset", ({ data }) => order.push(data.reason));

  there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n1", topics: {} } });
  await settled();

  assert.deepEqual(order, ["epoch", "snapshot"]);
});
