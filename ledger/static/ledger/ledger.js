/**
 * The ledger page: shows the book, takes in what happens, and says so.
 *
 * Separate from its parts, which know nothing of each other: here they are put together.
 *
 * @module
 */

import { Book } from "./book.js";
import { find, flash, phrase } from "./dom.js";
import { openEditing } from "./editing.js";
import { openEntry } from "./entry.js";
import { amountOf, flashTransaction, nameOf, showAccounts, showMove, showTransactions } from "./lists.js";
import { client, open, page } from "./page.js";
import { openPeople, showPeople } from "./people.js";

/** @typedef {import("./book.js").Change} Change */

const book = new Book();
const entry = openEntry(book, page.urls, take);
const editing = openEditing(book, page.urls, take);

openPeople();
open((fresh) => {
  book.load(fresh);
  showPeople(fresh.families);
  showAll();
});
for (const type of ["TransactionUpdate", "AccountUpdate", "AccountBalanceUpdate", "PayeeUpdate"]) {
  client.on(type, (event) => take(book.apply(event)));
}

function showAll() {
  showAccounts(book);
  showTransactions(book);
  entry.show();
  editing.show(null);
}

/** Show what has changed, and only that. @param {Change | null} change */
function take(change) {
  if (change?.kind === "transaction") takeTransaction(change);
  else if (change?.kind === "balance") takeBalance(change);
  else if (change?.kind === "payee") entry.show();
  else if (change) takeAccount(change);
}

/** @param {Change} change */
function takeTransaction(change) {
  const { action, before, after } = change;
  showTransactions(book);
  if (after) flashTransaction(after.id, action);
  editing.show(change);
  const row = after ?? before;
  const who = row.created_by_name ?? phrase("someone");
  announce(phrase(action, { who, what: nameOf(row), amount: amountOf(row) }));
}

/** @param {Change} change */
function takeBalance({ before, after }) {
  const account = book.account(after.account_id);
  if (!account) return;
  showAccounts(book);
  showMove(account, before, after);
}

/** @param {Change} change */
function takeAccount({ action, after }) {
  // An account that comes into sight may bring transactions along, which are not told one by one.
  if (action === "created") client.refresh();
  showAll();
  if (after) flash(find("#accounts").querySelector(`[data-id="${after.id}"]`), action);
}

let newsCount = 0;

/** Say it in one line; of many at once only how many, or a screen reader would talk for minutes. @param {string} news */
function announce(news) {
  if (newsCount++ === 0) setTimeout(() => (newsCount = 0), 1000);
  find("#news").textContent = newsCount > 3 ? phrase("many", { count: newsCount }) : news;
}
