/** The last minutes of what was told: columns that are always of one length. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { History, MOST } from "../../../realtime/static/realtime/desk/history.js";

test("what comes later has a gap before it, and what is no longer told a gap after", () => {
  const history = new History();

  history.add(1, { a: 10 });
  history.add(2, { a: 11, b: 20 });
  history.add(3, { b: 21 });

  assert.deepEqual(history.columns(["a", "b", "never"]), [
    [1, 2, 3],
    [10, 11, null],
    [null, 20, 21],
    [null, null, null],
  ]);
});

test("it keeps so many points and no more, of every series", () => {
  const history = new History();

  for (let at = 0; at < MOST + 5; at++) history.add(at, at < 3 ? { early: at } : { late: at });

  const [times, early, late] = history.columns(["early", "late"]);
  assert.deepEqual([times.length, early.length, late.length], [MOST, MOST, MOST]);
  assert.equal(times[0], 5);
  assert.equal(late.at(-1), MOST + 4);
  assert.ok(early.every((value) => value === null));
});

test("series are found by how their names begin, in order", () => {
  const history = new History();

  history.add(1, { "process:b": 1, events: 2, "process:a": 3 });

  assert.deepEqual(history.named("process:"), ["process:a", "process:b"]);
});
