/** What is looked for among transactions, while events and answers come in any order. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_FOUND, Search, isNothing, matches, queryOf } from "../../../ledger/static/ledger/search.js";

const NOTHING = { search: "", account_id: "", direction: "", date_from: "", date_to: "" };
const ROW = { account_id: "a", date: "2026-01-02", amount: "-1.00", description: "Bread", payee_name: null, category: "food" };

const row = (id, more = {}) => ({ ...ROW, id, version: 1, ...more });
const update = (action, data) => ({ action, transaction_id: data.id, data });
const ids = (search, rows = []) => search.among(rows, () => true).map(({ id }) => id);

function looking(wanted = { search: "bread" }) {
  const search = new Search();
  search.begin({ ...NOTHING, ...wanted });
  return search;
}

test("each condition has to hold, and words are looked for where a reader sees them", () => {
  const cases = [
    [{ search: "BREA" }, true],
    [{ search: "food" }, true],
    [{ search: "shop" }, false],
    [{ account_id: "a" }, true],
    [{ account_id: "b" }, false],
    [{ direction: "spent" }, true],
    [{ direction: "received" }, false],
    [{ date_from: "2026-01-02", date_to: "2026-01-02" }, true],
    [{ date_from: "2026-01-03" }, false],
    [{ date_to: "2026-01-01" }, false],
    [{ search: "bread", account_id: "b" }, false],
  ];

  for (const [wanted, expected] of cases) assert.equal(matches(row("1"), { ...NOTHING, ...wanted }), expected, JSON.stringify(wanted));
  assert.equal(matches(row("1", { payee_name: "Shop" }), { ...NOTHING, search: "shop" }), true);
});

test("the server is asked the same question", () => {
  const query = queryOf({ search: "a&b", account_id: "a", direction: "spent", date_from: "2026-01-02", date_to: "" });

  assert.equal(query.toString(), "limit=100&search=a%26b&account_id=a&date_from=2026-01-02&amount_max=-0.0001");
  assert.equal(queryOf({ ...NOTHING, direction: "received" }).toString(), "limit=100&amount_min=0.0001");
  assert.deepEqual([isNothing(NOTHING), isNothing({ ...NOTHING, direction: "spent" })], [true, false]);
});

test("what is here and what the server found are one list, newest first, each row once in its newest version", () => {
  const search = looking();

  search.take([row("1"), row("2", { date: "2020-01-01" }), row("3", { description: "Milk", category: "" })]);

  assert.deepEqual(ids(search, [row("1", { version: 2 }), row("4", { date: "2026-02-01" })]), ["4", "1", "2"]);
  assert.equal(search.among([row("1", { version: 2 })], () => true)[0].version, 2);
});

test("a late answer brings back nothing that was deleted or changed meanwhile", () => {
  const search = looking();

  search.apply(update("deleted", row("1")));
  search.apply(update("updated", row("2", { version: 2, description: "Milk", category: "" })));
  search.take([row("1"), row("2"), row("3")]);

  assert.deepEqual(ids(search), ["3"]);
});

test("a change of something that was found is told, of anything else not", () => {
  const search = looking();
  search.take([row("1")]);

  const changed = search.apply(update("updated", row("1", { version: 2 })));
  const again = search.apply(update("updated", row("1", { version: 2 })));
  const gone = search.apply(update("deleted", row("1", { version: 2 })));
  const other = search.apply(update("created", row("9")));

  assert.deepEqual([changed.action, changed.before.version, changed.after.version], ["updated", 1, 2]);
  assert.deepEqual([gone.action, gone.after, other, again], ["deleted", null, null, null]);
  assert.deepEqual(ids(search), ["9"]);
});

test("while nothing is looked for everything is shown, and nothing is kept", () => {
  const search = new Search();

  search.apply(update("created", row("1")));

  assert.deepEqual(ids(search, [row("2")]), ["2"]);
  assert.deepEqual([search.transaction("1"), search.isAway(row("2"))], [undefined, false]);
});

test("what is on accounts out of sight is not shown, and at most a hundred are", () => {
  const search = looking();
  search.take(Array.from({ length: 3000 }, (_, number) => row(String(number).padStart(4, "0"))));

  assert.equal(search.among([], (id) => id === "b").length, 0);
  assert.equal(ids(search).length, MOST_FOUND);
  assert.equal(search.isAway(row("x", { description: "Milk", category: "" })), true);
});

test("however much happens while one looks, little of it is kept", () => {
  const search = looking();

  for (let number = 0; number < 3000; number += 1) search.apply(update("created", row(String(number).padStart(4, "0"))));

  assert.equal(search.transaction("0000"), undefined);
  assert.ok(search.transaction("2999"));
});
