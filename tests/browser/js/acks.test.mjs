/** Acknowledging what wants it, and that nothing a page hands over can stop its client. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { newest } from "../../../realtime/static/realtime/newest.js";
import { collect, deferred, event, live, settled } from "./world.mjs";

const notice = (seq, rest = {}) => event(seq, { type: "Notification", ack: true, ...rest });
const acked = ({ socket }) => socket.commands("Ack").map(({ data }) => data.message_id);

test("what wants an Ack is acknowledged once a handler of its type has had it", async () => {
  const there = live({ autoAck: true });
  collect(there.client, "Notification");

  there.socket.says(notice(1));
  there.socket.says(notice(2, { ack: undefined }));
  await settled();

  assert.deepEqual(acked(there), ["id-family:f-1"]);
});

test("nothing is acknowledged by itself unless the page wants that", async () => {
  const there = live();
  collect(there.client, "Notification");

  there.socket.says(notice(1));
  await settled();

  assert.deepEqual(acked(there), []);
});

test("what no handler of its type took is not acknowledged", async () => {
  const there = live({ autoAck: true });
  collect(there.client, "*");

  there.socket.says(notice(1));
  await settled();

  assert.deepEqual(acked(there), []);
});

test("a handler that fails, at once or later, leaves the event unacknowledged and the client alive", async () => {
  const there = live({ autoAck: true });
  there.client.on("Notification", ({ seq }) => {
    if (seq === 1) throw new Error("broken page");
  });
  there.client.on("Notification", async ({ seq }) => {
    if (seq === 2) throw new Error("broken later");
  });

  for (const seq of [1, 2, 3]) there.socket.says(notice(seq));
  await settled();

  assert.deepEqual(acked(there), ["id-family:f-3"]);
  assert.deepEqual(
    there.logged.filter(({ level }) => level === "error").map(({ detail }) => detail.message),
    ["broken page", "broken later"],
  );
});

test("a handler that takes its time is waited for", async () => {
  const there = live({ autoAck: true });
  const done = deferred();
  there.client.on("Notification", () => done.promise);
  there.socket.says(notice(1));
  await settled();
  const before = acked(there);

  done.resolve();
  await settled();

  assert.deepEqual([before, acked(there)], [[], ["id-family:f-1"]]);
});

test("a log and a trace that throw stop nothing", () => {
  const broken = () => {
    throw new Error("broken page");
  };
  const there = live({ log: broken, trace: broken });
  const given = collect(there.client);

  there.socket.says("{");
  there.socket.says(event(1));
  there.client.send({ command: "Ping" });

  assert.equal(given.length, 1);
  assert.equal(there.socket.commands("Ping").length, 1);
});

test("of each row only what is newer is told, and a row that the page holds counts", () => {
  const there = live();
  const told = [];
  const handler = newest("row", ({ data }) => told.push(`${data.row} ${data.version}`), [["held", 7]]);
  there.client.on("AccountUpdate", handler);

  const rows = [["a", 2], ["a", 1], ["b", 1], ["a", 2], ["a", 3], ["held", 7], ["held", 8]];
  rows.forEach(([row, version], at) => {
    there.socket.says(event(at + 1, { type: "AccountUpdate", data: { row, version } }));
  });

  assert.deepEqual(told, ["a 2", "b 1", "a 3", "held 8"]);
});

test("another history counts its versions anew", async () => {
  const there = live();
  const told = [];
  const handler = newest("row", ({ data }) => told.push(data.version));
  for (const type of ["AccountUpdate", "Reset"]) there.client.on(type, handler);
  const say = (seq, version) => there.socket.says(event(seq, { type: "AccountUpdate", data: { row: "a", version } }));
  say(1, 9);

  there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n0" } });
  say(2, 3);
  say(3, 2);
  await settled();

  assert.deepEqual(told, [9, 3]);
});

test("what has no version is told as it is", () => {
  const told = [];
  const handler = newest("row", ({ data }) => told.push(data));

  handler({ type: "A", data: { row: "a" } });
  handler({ type: "A" });

  assert.equal(told.length, 2);
});
