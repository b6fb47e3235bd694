/**
 * The two lists of the ledger page as they are seen: accounts with their balances, and transactions.
 *
 * Separate from what is known (the book) and from what can be done (the forms).
 *
 * @module
 */

import { copyOf, fill, find, flash, keepInStep, locale, phrase } from "./dom.js";
import { difference, formatMoney, isNegative } from "./money.js";

/** @typedef {import("./book.js").Book} Book */
/** @typedef {import("./book.js").Row} Row */

const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
const dayOfYear = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeZone: "UTC" });

/** What to call a transaction in a sentence. @param {Row} transaction */
export function nameOf({ description, payee_name }) {
  return description || payee_name || phrase("nameless");
}

/** @param {Row} transaction */
export function amountOf({ amount, currency }) {
  return formatMoney(amount, currency, locale);
}

/** @param {Book} book */
export function showAccounts(book) {
  const { accounts } = book;
  keepInStep(find("#accounts"), accounts, {
    make: () => copyOf("account"),
    show: (element, account) => showAccount(element, account, book),
  });
  find("#no-accounts").hidden = accounts.length > 0;
}

/** @param {HTMLElement} element @param {Row} account @param {Book} book */
function showAccount(element, account, book) {
  const { balance, available_balance } = book.balance(account.id) ?? account;
  const family = book.families.size > 1 ? book.families.get(account.family_id)?.name : "";
  const money = (/** @type {string} */ amount) => formatMoney(amount, account.currency, locale);
  fill(element, "name", account.name);
  find("[data-private]", element).hidden = !account.is_private;
  fill(element, "balance", money(balance)).classList.toggle("negative", isNegative(balance));
  fill(element, "about", [phrase(`type-${account.type}`), account.number, family].filter(Boolean).join(" · "));
  const isSame = balance === available_balance;
  fill(element, "available", isSame ? "" : phrase("available", { amount: money(available_balance) }));
}

/**
 * Show by how much a balance has moved, for a moment.
 *
 * @param {Row} account @param {import("./book.js").Balance | null} before @param {import("./book.js").Balance} after
 */
export function showMove(account, before, after) {
  const element = find("#accounts").querySelector(`[data-id="${account.id}"]`);
  const moved = before && difference(after.balance, before.balance);
  if (!element || !moved || !/[1-9]/.test(moved)) return;
  fill(element, "moved", formatMoney(moved, account.currency, locale, "exceptZero"));
  flash(find("[data-moved]", element), isNegative(moved) ? "down" : "up");
  flash(element);
}

/** @param {Book} book @param {Row[]} rows newest first */
export function showTransactions(book, rows) {
  keepInStep(find("#transactions"), rows, {
    make: () => copyOf("transaction"),
    show: (element, transaction) => showTransaction(element, transaction, book),
  });
}

/** @param {HTMLElement} element @param {Row} transaction @param {Book} book */
function showTransaction(element, transaction, book) {
  const { date, status, payee_name, category, description } = transaction;
  const [what, amount] = [nameOf(transaction), amountOf(transaction)];
  const account = book.account(transaction.account_id);
  element.dataset.status = status;
  fill(element, "date", dateText(date)).setAttribute("datetime", date);
  fill(element, "description", what);
  fill(element, "state", status === "posted" ? "" : phrase(`status-${status}`));
  fill(element, "where", [account?.name, description && payee_name, category].filter(Boolean).join(" · "));
  fill(element, "by", transaction.created_by_name ?? "");
  fill(element, "amount", amount).classList.toggle("positive", !isNegative(transaction.amount));
  const edit = find("[data-edit]", element);
  edit.hidden = !book.mayWrite(transaction.account_id);
  edit.setAttribute("aria-label", phrase("edit", { what, amount }));
  edit.title = edit.ariaLabel;
}

/** @param {string} id @param {string} tone */
export function flashTransaction(id, tone) {
  flash(find("#transactions").querySelector(`[data-id="${id}"]`), tone);
}

/** @param {string} date as in 2026-01-02 */
function dateText(date) {
  const isThisYear = date.startsWith(String(new Date().getFullYear()));
  return (isThisYear ? day : dayOfYear).format(new Date(`${date}T00:00:00Z`));
}
