/** One thing of the server's, kept in step by its events, whatever becomes of the line. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { follow } from "../../../realtime/static/realtime/follow.js";
import { event, live, settled, world } from "./world.mjs";

const CREDIT = { resource: "credit_balance", type: "CreditBalanceUpdate" };
const row = (version, user_id = "alice") => ({ user_id, version, balance: `${version}.00` });
const update = (seq, version, user_id) => event(seq, { type: "CreditBalanceUpdate", data: row(version, user_id) });
const asked = ({ socket }) => socket.commands("Request");

/** The server answers the newest question. */
async function answers(there, version) {
  there.socket.says({ type: "Response", reply_to: asked(there).at(-1).id, data: { result: row(version) } });
  await settled();
}

/** A page that follows the credit on a live line. */
function following(what = {}) {
  const there = live();
  const shown = [];
  const end = follow(there.client, { ...CREDIT, ...what }, ({ version }) => shown.push(version));
  return { ...there, client: there.client, socket: there.socket, there, shown, end };
}

test("it is asked for, and then follows each newer version", async () => {
  const { there, shown } = following();

  await answers(there, 3);
  for (const [seq, version] of [[1, 2], [2, 3], [3, 4], [4, 4]]) there.socket.says(update(seq, version));

  assert.deepEqual(shown, [3, 4]);
  assert.equal(asked(there).length, 1);
});

test("an event that overtakes the answer is not taken back by it", async () => {
  const { there, shown } = following();

  there.socket.says(update(1, 5));
  await answers(there, 4);

  assert.deepEqual(shown, [5]);
});

test("what is not ours is left aside", async () => {
  const { there, shown } = following({ isOurs: ({ user_id }) => user_id === "alice", initial: row(1) });

  there.socket.says(update(1, 7, "bob"));
  there.socket.says(update(2, 2));

  assert.deepEqual(shown, [2]);
  assert.equal(asked(there).length, 0);
});

test("after a Reset it is asked for anew, and a lower version of the other history is taken", async () => {
  const { there, shown } = following({ initial: row(9) });

  there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n1" } });
  await answers(there, 2);

  assert.deepEqual(shown, [2]);
});

test("an answer from before a Reset is of the old history", async () => {
  const { there, shown } = following();
  const [early] = asked(there);

  there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n1" } });
  there.socket.says({ type: "Response", reply_to: early.id, data: { result: row(9) } });
  await settled();
  await answers(there, 2);

  assert.deepEqual(shown, [2]);
});

test("a question that was refused is asked again on the next line, and not before", async () => {
  const { there, shown } = following();
  there.socket.says({ type: "Error", reply_to: asked(there)[0].id, data: { code: "internal", message: "" } });
  await settled();
  const before = asked(there).length;

  there.socket.closes();
  there.clock.pass(2000);
  there.socket.greets();
  await answers(there, 1);

  assert.deepEqual([before, shown], [1, [1]]);
});

test("a question that is open when the line breaks goes out once on the next", async () => {
  const { there } = following();

  there.socket.closes();
  there.clock.pass(2000);
  there.socket.greets();

  assert.equal(asked(there).length, 1);
});

test("a page that is not connected yet asks when it is, once", async () => {
  const there = world();
  const shown = [];
  follow(there.client, CREDIT, ({ version }) => shown.push(version));

  there.client.start();
  there.socket.greets();
  await answers(there, 1);

  assert.deepEqual([shown, asked(there).length], [[1], 1]);
});

test("once ended it shows nothing any more", async () => {
  const { there, shown, end } = following();

  end();
  there.socket.says(update(1, 5));
  await answers(there, 6);

  assert.deepEqual(shown, []);
});
