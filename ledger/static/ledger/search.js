/**
 * What is looked for among transactions, and what was found of it, here and on the server.
 *
 * Separate from the form that asks: it touches no document. What is found stays in step with events, those that
 * come while the server is still searching too.
 *
 * @module
 */

import { newestFirst } from "./book.js";
import { isNegative } from "./money.js";
import { Shelf } from "./shelf.js";

/** @typedef {import("./shelf.js").Row} Row */

/**
 * @typedef {object} Wanted
 * @property {string} search
 * @property {string} account_id
 * @property {"" | "spent" | "received"} direction
 * @property {string} date_from as in 2026-01-02
 * @property {string} date_to
 */

export const MOST_FOUND = 100;
/** With what events said meanwhile, whether it matches or not: an answer under way may hold it as it was. */
const MOST_KEPT = 1000;
/** The least amount there is: on which side of nothing, the server is asked by amount. */
const LEAST = "0.0001";

export class Search {
  /** @type {Wanted | null} null while everything is shown */ wanted = null;
  #found = new Shelf();

  /** Look for something else, or with null for nothing. @param {Wanted | null} wanted */
  begin(wanted) {
    this.wanted = wanted;
    this.#found = new Shelf();
  }

  /** Take in what the server found. @param {Row[]} rows */
  take(rows) {
    for (const row of rows) this.#found.put(row, "found");
  }

  /**
   * Take in what happened to a transaction; null when nothing that was found has changed.
   *
   * @param {{action: "created" | "updated" | "deleted", transaction_id: string, data: Row | null}} update
   * @returns {import("./book.js").Change | null}
   */
  apply({ action, transaction_id: id, data }) {
    if (!this.wanted) return null;
    const before = this.transaction(id) ?? null;
    if (action === "deleted") this.#found.remove(id, data?.version ?? Infinity);
    else if (data) this.#found.put(data, action);
    this.#forgetOldest();
    const after = this.transaction(id) ?? null;
    return before && before !== after ? { kind: "transaction", action, before, after } : null;
  }

  /** Whether something is looked for, and this transaction is no part of it. @param {Row} row */
  isAway(row) {
    return this.wanted !== null && !matches(row, this.wanted);
  }

  /** @param {string} id */
  transaction(id) {
    return this.#found.rows.get(id);
  }

  /**
   * What is to be shown, newest first: of `rows` and of what was found, what matches now.
   *
   * @param {Row[]} rows @param {(accountId: string) => boolean} isSeen
   * @param {(row: Row) => Row} named gives a row with the names of now
   */
  among(rows, isSeen, named = (row) => row) {
    const { wanted } = this;
    if (!wanted) return rows;
    const all = new Map([...this.#found.rows, ...rows.map((row) => /** @type {const} */ ([row.id, row]))]);
    const seen = [...all.values()].filter((row) => isSeen(row.account_id)).map(named);
    return seen.filter((row) => matches(row, wanted)).sort(newestFirst).slice(0, MOST_FOUND);
  }

  #forgetOldest() {
    for (const id of this.#found.rows.keys()) {
      if (this.#found.rows.size <= MOST_KEPT) break;
      this.#found.rows.delete(id);
    }
  }
}

/** Whether a transaction is one of those looked for, as the server would say. @param {Row} row @param {Wanted} wanted */
export function matches(row, { search, account_id, direction, date_from, date_to }) {
  if (account_id && row.account_id !== account_id) return false;
  if (direction && (direction === "spent") !== isNegative(row.amount)) return false;
  if ((date_from && row.date < date_from) || (date_to && row.date > date_to)) return false;
  const words = [row.description, row.payee_name, row.category].map((each) => (each ?? "").toLocaleLowerCase());
  return words.some((each) => each.includes(search.toLocaleLowerCase()));
}

/** The same question as the server's list of transactions takes it. @param {Wanted} wanted */
export function queryOf({ direction, ...rest }) {
  const query = new URLSearchParams({ limit: String(MOST_FOUND) });
  for (const [name, value] of Object.entries(rest)) if (value) query.set(name, value);
  if (direction === "spent") query.set("amount_max", `-${LEAST}`);
  if (direction === "received") query.set("amount_min", LEAST);
  return query;
}

/** @param {Wanted} wanted */
export function isNothing(wanted) {
  return Object.values(wanted).every((value) => !value);
}
