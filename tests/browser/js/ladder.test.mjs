/** Which transport comes next, and when. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FAILURES, Ladder } from "../../../realtime/static/realtime/ladder.js";

const ALL = ["websocket", "sse", "polling"];
const BROKEN = { isBlamed: true, wasSteady: false, isBlocked: false };
const TOLD = { ...BROKEN, isBlamed: false };

/** A ladder whose best transport has worked. */
function proven() {
  const ladder = new Ladder(ALL);
  ladder.begin();
  ladder.stand("websocket");
  return ladder;
}

test("what has never worked is passed over at its first failure", () => {
  const ladder = new Ladder(ALL);

  const tried = [ladder.begin(), ladder.failed(BROKEN), ladder.failed(BROKEN), ladder.failed(BROKEN)];

  assert.deepEqual(tried, ["websocket", "sse", "polling", null]);
});

test("what has worked is passed over at its fifth failure", () => {
  const ladder = proven();

  const tried = Array.from({ length: FAILURES }, () => (ladder.begin(), ladder.failed(BROKEN)));

  assert.deepEqual(tried, [null, null, null, null, "sse"]);
});

test("a server that gives its reason is not taken for a transport that fails", () => {
  const ladder = new Ladder(ALL);
  ladder.begin();

  const tried = Array.from({ length: 10 }, () => ladder.failed(TOLD));

  assert.deepEqual(new Set(tried), new Set([null]));
});

test("a line that held for a while wipes out the failures before it", () => {
  const ladder = proven();
  for (let count = 1; count < FAILURES; count++) ladder.failed(BROKEN);

  const next = ladder.failed({ ...BROKEN, wasSteady: true });

  assert.equal(next, null);
});

test("when all have failed the best is asked first again: it is the server that is away", () => {
  const ladder = new Ladder(ALL);
  ladder.begin();
  for (let count = 0; count < 3; count++) ladder.failed(BROKEN);

  assert.equal(ladder.begin(), "websocket");
  assert.deepEqual(ladder.better, []);
  assert.equal(ladder.failed(BROKEN), "sse");
});

test("where the server greets, later attempts begin, and what is above is better", () => {
  const ladder = new Ladder(ALL);
  ladder.begin();
  ladder.failed(BROKEN);
  ladder.stand("sse");

  assert.equal(ladder.begin(), "sse");
  assert.deepEqual(ladder.better, ["websocket"]);
});

test("what is held back on its way is passed over at once, though it has worked", () => {
  const ladder = new Ladder(ALL);
  ladder.stand("sse");

  assert.equal(ladder.failed({ ...BROKEN, isBlocked: true, wasSteady: true }), "polling");
});

test("another network is another question", () => {
  const ladder = new Ladder(ALL);
  ladder.stand("polling");

  ladder.forget();

  assert.equal(ladder.begin(), "websocket");
  assert.equal(ladder.failed(BROKEN), "sse");
});
