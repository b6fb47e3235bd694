/**
 * What a transaction's form holds, and what the server says about it.
 *
 * Separate because entering a transaction and changing one are the same fields with different ends.
 *
 * @module
 */

import { fill, find, locale, phrase } from "./dom.js";
import { readAmount } from "./money.js";

/** @typedef {import("./book.js").Book} Book */
/** @typedef {import("./book.js").Row} Row */
/** @typedef {{account_id: string, amount: string | null, description: string, date: string, payee: string}} Entry */

/** The fields of a form by name. @param {HTMLFormElement} form @returns {any} */
export const fieldsOf = (form) => form.elements;

/** Offer the accounts the user may write to; the choice made stays. @param {HTMLFormElement} form @param {Book} book */
export function offerAccounts(form, book) {
  const select = fieldsOf(form).account_id;
  const chosen = select.value;
  const accounts = book.accounts.filter(({ id }) => book.mayWrite(id));
  select.replaceChildren(...accounts.map(({ id, name, currency }) => new Option(`${name} (${currency})`, id)));
  // To begin with a shared one: what is entered for all should not land in private by oversight.
  const proposed = accounts.find(({ id }) => id === chosen) ?? accounts.find(({ is_private }) => !is_private);
  if (proposed) select.value = proposed.id;
  offerPayees(form, book);
}

/** Offer the payees of the chosen account's family. @param {HTMLFormElement} form @param {Book} book */
export function offerPayees(form, book) {
  const account = book.account(fieldsOf(form).account_id.value);
  const names = account ? book.payeesOf(account.family_id).map(({ name }) => name) : [];
  find("datalist", form).replaceChildren(...names.map((name) => new Option(name)));
  fill(form, "currency", account ? `(${account.currency})` : "");
}

/** @param {HTMLFormElement} form @returns {Entry} */
export function read(form) {
  const { account_id, direction, amount, description, date, payee } = fieldsOf(form);
  return {
    account_id: account_id.value,
    amount: readAmount(amount.value, direction.value === "spent", locale),
    description: description.value.trim(),
    date: date.value,
    payee: payee.value.trim(),
  };
}

/** Put a transaction into the fields. @param {HTMLFormElement} form @param {Row} transaction */
export function write(form, transaction) {
  const { account_id, direction, amount, description, date, payee } = fieldsOf(form);
  const isSpent = transaction.amount.startsWith("-");
  account_id.value = transaction.account_id;
  direction.value = isSpent ? "spent" : "received";
  amount.value = transaction.amount.replace("-", "");
  description.value = transaction.description;
  date.value = transaction.date;
  payee.value = transaction.payee_name ?? "";
}

/** What is wrong with an entry before the server is asked, by field. @param {Entry} entry */
export function faultsOf({ account_id, amount, date }) {
  /** @type {Record<string, string>} */
  const faults = {};
  const example = new Intl.NumberFormat(locale, { minimumFractionDigits: 2 }).format(12.5);
  if (!account_id) faults.account_id = phrase("no-account");
  if (amount === null) faults.amount = phrase("no-amount", { example });
  if (!date) faults.date = phrase("no-date");
  return faults;
}

/**
 * What the server refused, by field; what belongs to no field of the form is under "".
 *
 * @param {HTMLFormElement} form @param {import("./server.js").Answer} answer
 */
export function refusalsOf(form, { status, data }) {
  /** @type {Record<string, string>} */
  const faults = {};
  for (const [key, value] of Object.entries(data && typeof data === "object" ? data : {})) {
    const name = key === "payee_id" || key === "name" ? "payee" : key;
    const slot = form.querySelector(`[data-error-for="${name}"]`) ? name : "";
    if (key !== "code" && key !== "status") faults[slot] = [faults[slot], value].flat().filter(Boolean).join(" ");
  }
  if (Object.keys(faults).length) return faults;
  return { "": status ? phrase("failed", { status }) : phrase("unreachable") };
}

/** Show faults beside their fields and go to the first. @param {HTMLFormElement} form @param {Record<string, string>} faults */
export function showFaults(form, faults) {
  for (const slot of form.querySelectorAll("[data-error-for]")) {
    const name = /** @type {HTMLElement} */ (slot).dataset.errorFor ?? "";
    slot.textContent = faults[name] ?? "";
    if (name in faults) fieldsOf(form)[name].setAttribute("aria-invalid", "true");
    else fieldsOf(form)[name].removeAttribute("aria-invalid");
  }
  fill(form, "error", faults[""] ?? "");
  /** @type {HTMLElement | null} */
  const first = form.querySelector("[aria-invalid]");
  first?.focus();
}

/** Today where the reader is, as in 2026-01-02. */
export function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
