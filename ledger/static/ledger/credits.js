/**
 * The credits page: the balance, and each entry as it comes.
 *
 * Separate from the bar, which shows the balance on every page: here is what became of it.
 *
 * @module
 */

import { copyOf, fill, find, flash, keepInStep, locale, phrase } from "./dom.js";
import { formatDecimal, isNegative } from "./money.js";
import { client, open, page } from "./page.js";

/**
 * @typedef {{id: string, change: string, balance_after: string, reason: string, created_at: string,
 *   metadata: Record<string, unknown>}} Entry
 */

const MOST_ENTRIES = 100;

const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

/** @type {Map<string, Entry>} */
let entries = new Map();

open((fresh) => {
  entries = new Map(fresh.entries.map((/** @type {Entry} */ entry) => [entry.id, entry]));
  show();
});
client.on("CreditBalanceUpdate", ({ data, timestamp }) => {
  if (data.user_id !== page.user.id || entries.has(data.entry_id)) return;
  const entry = { ...data, id: data.entry_id, balance_after: data.balance, created_at: timestamp };
  entries.set(entry.id, entry);
  show();
  flash(find("#entries").querySelector(`[data-id="${entry.id}"]`), "created");
  find("#latest").textContent = phrase("moved", {
    change: signed(entry.change),
    reason: phrase(`reason-${entry.reason}`),
    balance: formatDecimal(entry.balance_after, locale),
  });
});

function show() {
  // Ids are made in order of time.
  const newest = [...entries.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, MOST_ENTRIES);
  keepInStep(find("#entries"), newest, { make: () => copyOf("credit-entry"), show: showEntry });
  find("#no-entries").hidden = newest.length > 0;
  find("#more-entries").hidden = newest.length < MOST_ENTRIES;
}

/** @param {HTMLElement} element @param {Entry} entry */
function showEntry(element, { change, balance_after, reason, created_at, metadata }) {
  fill(element, "time", moment.format(new Date(created_at))).setAttribute("datetime", created_at);
  fill(element, "reason", phrase(`reason-${reason}`));
  fill(element, "details", detailsOf(metadata));
  fill(element, "change", signed(change)).classList.toggle("positive", !isNegative(change));
  fill(element, "balance", formatDecimal(balance_after, locale));
}

/** What whoever changed the credit said of it. @param {Record<string, unknown>} metadata */
function detailsOf(metadata) {
  return Object.values(metadata)
    .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
    .join(" · ");
}

/** @param {string} change */
function signed(change) {
  return formatDecimal(change, locale, "exceptZero");
}
