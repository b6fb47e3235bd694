/** What an event changes of what the ledger page knows. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Book, MOST_TRANSACTIONS } from "../../../ledger/static/ledger/book.js";

const FAMILY = { id: "f", name: "Smith", role: "member", may_write: true };
const ACCOUNT = { id: "a", family_id: "f", name: "Everyday", balance: "10.00", available_balance: "9.00", version: 1 };

const row = (id, more = {}) => ({ id, account_id: "a", date: "2026-01-02", amount: "-1.00", version: 1, ...more });
const event = (action, data) => ({ type: "TransactionUpdate", data: { action, transaction_id: data.id, data } });
const balance = (version, amount) => ({
  type: "AccountBalanceUpdate",
  data: { account_id: "a", balance: amount, available_balance: amount, currency: "EUR", version },
});
const ids = (book) => book.transactions.map(({ id }) => id);

function opened(transactions = [], more = {}) {
  const book = new Book();
  book.load({ families: [FAMILY], accounts: [ACCOUNT], payees: [], transactions, ...more });
  return book;
}

test("the newest date is first, and of one date the newest id", () => {
  const book = opened([row("1"), row("3"), row("2"), row("0", { date: "2026-02-01" })]);

  assert.deepEqual(ids(book), ["0", "3", "2", "1"]);
});

test("created, updated and deleted do what they say", () => {
  const book = opened();

  const created = book.apply(event("created", row("1")));
  const updated = book.apply(event("updated", row("1", { version: 2, amount: "-2.00" })));
  const deleted = book.apply(event("deleted", row("1", { version: 2 })));

  assert.deepEqual([created.action, updated.action, deleted.action], ["created", "updated", "deleted"]);
  assert.deepEqual([updated.before.amount, updated.after.amount, deleted.after], ["-1.00", "-2.00", null]);
  assert.deepEqual(ids(book), []);
});

test("what is already known changes nothing", () => {
  const book = opened([row("1", { version: 5 })]);

  const same = book.apply(event("created", row("1", { version: 5 })));
  const older = book.apply(event("updated", row("1", { version: 4, amount: "-9.00" })));

  assert.deepEqual([same, older], [null, null]);
  assert.equal(book.transaction("1").amount, "-1.00");
});

test("an answer that comes after the deletion does not bring the row back", () => {
  const book = opened([row("1")]);
  book.apply(event("deleted", row("1", { version: 2 })));

  const late = book.transact("updated", "1", row("1", { version: 2 }));

  assert.equal(late, null);
  assert.deepEqual(ids(book), []);
});

test("what was deleted here and created there in one version is there", () => {
  const book = opened([row("1", { version: 4 })]);

  book.apply(event("deleted", row("1", { version: 4 })));
  const back = book.apply(event("created", row("1", { version: 4 })));

  assert.equal(back.action, "created");
  assert.deepEqual(ids(book), ["1"]);
});

test("a deletion older than the row is none", () => {
  const book = opened([row("1", { version: 5 })]);

  const change = book.apply(event("deleted", row("1", { version: 4 })));

  assert.equal(change, null);
  assert.deepEqual(ids(book), ["1"]);
});

test("only the newest 100 are kept, and nothing older comes into the gap that a deletion leaves", () => {
  const id = (number) => String(number).padStart(4, "0");
  const book = opened(Array.from({ length: MOST_TRANSACTIONS }, (_, index) => row(id(index + 10))));

  book.apply(event("created", row(id(500))));
  const older = book.apply(event("created", row(id(5))));
  book.apply(event("deleted", row(id(500), { version: 1 })));
  const between = book.apply(event("updated", row(id(9), { version: 3 })));

  assert.deepEqual([older, between], [null, null]);
  assert.equal(ids(book).length, MOST_TRANSACTIONS - 1);
  assert.equal(ids(book).at(-1), id(11));
});

test("while fewer than 100 are known, an old one has its place", () => {
  const book = opened([row("2")]);

  book.apply(event("created", row("1", { date: "2001-01-01" })));

  assert.deepEqual(ids(book), ["2", "1"]);
});

test("the highest version of a balance wins", () => {
  const book = opened();

  const newer = book.apply(balance(7, "20.00"));
  const older = book.apply(balance(6, "15.00"));

  assert.deepEqual([newer.before.balance, newer.after.balance, older], ["10.00", "20.00", null]);
  assert.equal(book.balance("a").balance, "20.00");
});

test("an account's own event does not take a known balance back", () => {
  const book = opened();
  book.apply(balance(7, "20.00"));

  const data = { ...ACCOUNT, name: "Household", version: 2 };
  book.apply({ type: "AccountUpdate", data: { action: "updated", account_id: "a", data, version: 2 } });

  assert.equal(book.account("a").name, "Household");
  assert.equal(book.balance("a").balance, "20.00");
});

test("a new account brings its balance along, a deleted one takes its transactions", () => {
  const book = opened([row("1"), row("2", { account_id: "b" })]);
  const other = { ...ACCOUNT, id: "b", balance: "5.00", version: 1 };

  book.apply({ type: "AccountUpdate", data: { action: "created", account_id: "b", data: other, version: 1 } });
  book.apply({ type: "AccountUpdate", data: { action: "deleted", account_id: "a", data: ACCOUNT, version: 1 } });

  assert.equal(book.balance("b").balance, "5.00");
  assert.deepEqual([book.accounts.map(({ id }) => id), ids(book)], [["b"], ["2"]]);
});

test("of an account that comes back into sight nothing counts that was known before", () => {
  const book = opened([row("1"), row("2", { account_id: "b" })]);
  book.apply(balance(7, "20.00"));

  const data = { ...ACCOUNT, balance: "30.00", version: 3 };
  const change = book.apply({ type: "AccountUpdate", data: { action: "created", account_id: "a", data, version: 3 } });

  assert.equal(change.action, "created"); // the page fetches what is on it
  assert.deepEqual([book.balance("a").balance, ids(book)], ["30.00", ["2"]]);
});

test("who may write in the account's family may write, and nobody else", () => {
  const viewed = { ...FAMILY, id: "v", role: "viewer", may_write: false };
  const accounts = [ACCOUNT, { ...ACCOUNT, id: "b", family_id: "v" }, { ...ACCOUNT, id: "c", family_id: "unknown" }];
  const book = opened([], { families: [FAMILY, viewed], accounts });

  assert.deepEqual(["a", "b", "c", "none"].map((id) => book.mayWrite(id)), [true, false, false, false]);
});

test("a snapshot replaces everything, newer versions and deletions included", () => {
  const book = opened([row("1", { version: 9 })]);
  book.apply(event("deleted", row("2", { version: 9 })));
  book.apply(balance(9, "99.00"));

  book.load({ families: [FAMILY], accounts: [ACCOUNT], payees: [], transactions: [row("1"), row("2")] });

  assert.deepEqual([book.transaction("1").version, ids(book), book.balance("a").balance], [1, ["2", "1"], "10.00"]);
});
