/**
 * The ledger page: takes in what happens, shows it, and says so.
 *
 * Separate from its parts, which know nothing of each other: here they are put together.
 *
 * @module
 */

import { Book } from "./book.js";
import { fill, find, flash, phrase } from "./dom.js";
import { openEditing } from "./editing.js";
import { openEntry } from "./entry.js";
import { openFilter } from "./filter.js";
import { amountOf, flashTransaction, nameOf, showAccounts, showMove, showTransactions } from "./lists.js";
import { client, open, page } from "./page.js";
import { Painter } from "./painter.js";
import { openPeople, showPeople } from "./people.js";
import { openRules } from "./rules.js";

/** @typedef {import("./book.js").Change} Change */

const book = new Book();
const painter = new Painter(showLists);
const filter = openFilter(book, page.urls, () => painter.soon());
const lookUp = (/** @type {string} */ id) => {
  const row = book.transaction(id) ?? filter.search.transaction(id);
  return row ? book.named(row) : null;
};
const entry = openEntry(book, page.urls, hear);
const editing = openEditing(book, page.urls, { hear, lookUp });
const rules = openRules(book, page.urls);

openPeople();
open((fresh) => {
  book.load(fresh);
  rules.load(fresh.rules);
  showPeople(fresh.families);
  showAll();
  filter.again();
});
entry.restore();
for (const type of ["TransactionUpdate", "AccountUpdate", "AccountBalanceUpdate", "PayeeUpdate"]) client.on(type, hear);

/** Take in an event, or what the server made of a request as if it were one. @param {any} event */
function hear(event) {
  const found = event.type === "TransactionUpdate" ? filter.search.apply(event.data) : null;
  take(book.apply(event) ?? found);
}

function showAll() {
  filter.offer();
  showLists();
  entry.show();
  rules.show();
  editing.show(null);
}

function showLists() {
  const isSeen = (/** @type {string} */ accountId) => Boolean(book.account(accountId));
  const rows = filter.search.among(book.transactions, isSeen, (row) => book.named(row));
  showAccounts(book);
  showTransactions(book, rows);
  filter.report(rows.length);
  const isNarrowed = filter.search.wanted !== null;
  find("#no-transactions").hidden = isNarrowed || rows.length > 0;
  find("#nothing-found").hidden = !isNarrowed || rows.length > 0;
  find("#more-transactions").hidden = isNarrowed || !book.isCut;
  fill(document, "most", phrase("more", { count: rows.length }));
}

/** Show what has changed, and only that. @param {Change | null} change */
function take(change) {
  if (change?.kind === "transaction") takeTransaction(change);
  else if (change?.kind === "balance") takeBalance(change);
  else if (change?.kind === "payee") takePayee();
  else if (change) takeAccount(change);
  if (change && book.isThin) client.refresh();
}

/** @param {Change} change */
function takeTransaction(change) {
  const { action, before, after } = change;
  const row = after ?? before;
  painter.soon(`transaction ${row.id}`, () => after && flashTransaction(after.id, action));
  editing.show(change);
  const who = row.created_by_name ?? phrase("someone");
  const news = phrase(action, { who, what: nameOf(row), amount: amountOf(row) });
  announce(filter.search.isAway(row) ? phrase("unseen", { news }) : news);
}

/** @param {Change} change */
function takeBalance({ before, after }) {
  const account = book.account(after.account_id);
  if (!account) return;
  // Of several moves before the next picture, the first knows where the balance was.
  painter.soon(`balance ${account.id}`, () => showMove(account, before, book.balance(account.id) ?? after));
}

function takePayee() {
  entry.show();
  rules.show();
  painter.soon();
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
