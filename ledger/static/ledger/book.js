/**
 * What the ledger page knows: accounts, balances, transactions, payees, and what an event changes of them.
 *
 * Separate from everything that is seen: it touches no document, so that it can be tested without one. Applying an
 * event twice, late, or after a snapshot that already holds it, changes nothing: the highest `version` of a row wins.
 *
 * @module
 */

import { Shelf } from "./shelf.js";

/** @typedef {import("./shelf.js").Row} Row */
/** @typedef {{balance: string, available_balance: string, version: number}} Balance */

/**
 * @typedef {object} Change
 * @property {"transaction" | "account" | "balance" | "payee"} kind
 * @property {"created" | "updated" | "deleted"} action
 * @property {any} before null on created
 * @property {any} after null on deleted
 */

export const MOST_TRANSACTIONS = 100;

export class Book {
  #accounts = new Shelf();
  #payees = new Shelf();
  #transactions = new Shelf();
  /** @type {Map<string, Balance>} */ #balances = new Map();
  /** @type {Map<string, any>} */ families = new Map();
  /** @type {Row | null} nothing older is shown: what lies between is not known here */ #oldest = null;

  /** Replace everything by what a page or a snapshot holds. @param {any} page */
  load(page) {
    this.families = new Map(page.families.map((/** @type {Row} */ family) => [family.id, family]));
    this.#accounts.load(page.accounts);
    this.#payees.load(page.payees);
    this.#transactions.load(page.transactions);
    // The rows say no version of a balance, so any event's is taken; the newest comes last.
    this.#balances = new Map(page.accounts.map((/** @type {Row} */ account) => [account.id, balanceOf(account)]));
    this.#oldest = null;
    if (page.transactions.length >= MOST_TRANSACTIONS) this.#cut();
  }

  /** @returns {Row[]} by name */
  get accounts() {
    return [...this.#accounts.rows.values()].sort((a, b) => a.name.localeCompare(b.name) || compare(a.id, b.id));
  }

  /** @returns {Row[]} newest first, at most 100 */
  get transactions() {
    return [...this.#transactions.rows.values()].sort(newestFirst).map((row) => this.named(row));
  }

  /** Whether there are older ones, which are not known here. */
  get isCut() {
    return this.#oldest !== null;
  }

  /** Whether so many of the newest have gone that older ones are to be fetched in their place. */
  get isThin() {
    return this.isCut && this.#transactions.rows.size < MOST_TRANSACTIONS / 2;
  }

  /** @param {string} familyId @returns {Row[]} by name */
  payeesOf(familyId) {
    const ours = [...this.#payees.rows.values()].filter((payee) => payee.family_id === familyId);
    return ours.sort((a, b) => a.name.localeCompare(b.name));
  }

  /** @param {string} id */
  account(id) {
    return this.#accounts.rows.get(id);
  }

  /** @param {string} id */
  transaction(id) {
    const row = this.#transactions.rows.get(id);
    return row && this.named(row);
  }

  /**
   * A transaction with its payee's present name: when a payee is renamed, its transactions are not told again.
   *
   * @param {Row} row
   */
  named(row) {
    const payee = this.#payees.rows.get(row.payee_id);
    return payee && payee.name !== row.payee_name ? { ...row, payee_name: payee.name } : row;
  }

  /** @param {string} accountId */
  balance(accountId) {
    return this.#balances.get(accountId);
  }

  /** @param {string} accountId */
  mayWrite(accountId) {
    return Boolean(this.families.get(this.account(accountId)?.family_id)?.may_write);
  }

  /**
   * Take in an event; null when it changes nothing that is shown.
   *
   * @param {{type: string, data?: any}} event @returns {Change | null}
   */
  apply({ type, data }) {
    if (type === "TransactionUpdate") return this.transact(data.action, data.transaction_id, data.data);
    if (type === "AccountUpdate") return this.#applyAccount(data.action, data.account_id, data);
    if (type === "AccountBalanceUpdate") return this.#applyBalance(data);
    if (type === "PayeeUpdate") return this.#applyTo(this.#payees, "payee", data.action, data.payee_id, data);
    return null;
  }

  /**
   * Take in a transaction, from an event or from the answer to a request of one's own.
   *
   * @param {string} action @param {string} id @param {Row} row @returns {Change | null}
   */
  transact(action, id, row) {
    const before = this.transaction(id) ?? null;
    const change = this.#applyTo(this.#transactions, "transaction", action, id, { data: row });
    this.#cut();
    const after = this.transaction(id) ?? null;
    // An old row may have come and fallen off the end again.
    return change && (before || after) ? { ...change, after } : null;
  }

  /** @param {string} action @param {string} id @param {any} update @returns {Change | null} */
  #applyAccount(action, id, update) {
    const change = this.#applyTo(this.#accounts, "account", action, id, update);
    if (change?.action === "deleted") this.#forget(id);
    if (!change || ![action, change.action].includes("created")) return change;
    // New to this audience, if not to us: what happened to it out of its sight, we need not have heard. Only here its
    // balance counts, as an account's other events may hold an older one than the balance's own.
    if (change.before) this.#forget(id);
    this.#balances.set(id, balanceOf(update.data));
    return { ...change, action: "created" };
  }

  /** @param {string} accountId */
  #forget(accountId) {
    this.#balances.delete(accountId);
    for (const [id, row] of this.#transactions.rows) {
      if (row.account_id === accountId) this.#transactions.rows.delete(id);
    }
  }

  /** @param {any} update @returns {Change | null} */
  #applyBalance(update) {
    const before = this.balance(update.account_id) ?? null;
    if (before && before.version >= update.version) return null;
    const after = balanceOf(update, update.version);
    this.#balances.set(update.account_id, after);
    return { kind: "balance", action: "updated", before, after: { ...after, account_id: update.account_id } };
  }

  /**
   * @param {Shelf} shelf @param {Change["kind"]} kind @param {string} action @param {string} id
   * @param {{data: Row | null, version?: number}} update @returns {Change | null}
   */
  #applyTo(shelf, kind, action, id, { data, version = data?.version }) {
    const before = shelf.rows.get(id) ?? null;
    if (action === "deleted") return shelf.remove(id, version ?? Infinity) ? { kind, action, before, after: null } : null;
    if (!data || !shelf.put({ ...data, id, version: version ?? 0 }, action)) return null;
    return { kind, action: before ? "updated" : "created", before, after: shelf.rows.get(id) };
  }

  /** Keep the newest 100, and nothing older than what was ever cut off. */
  #cut() {
    const rows = this.transactions;
    if (rows.length >= MOST_TRANSACTIONS) {
      const last = rows[MOST_TRANSACTIONS - 1];
      if (!this.#oldest || newestFirst(last, this.#oldest) < 0) this.#oldest = last;
    }
    for (const row of rows) {
      if (this.#oldest && newestFirst(row, this.#oldest) > 0) this.#transactions.rows.delete(row.id);
    }
  }
}

/** @param {Row} a @param {Row} b */
export function newestFirst(a, b) {
  return compare(b.date, a.date) || compare(b.id, a.id);
}

/** @param {string} a @param {string} b */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {any} row @param {number} [version] @returns {Balance} */
function balanceOf({ balance, available_balance }, version = 0) {
  return { balance, available_balance, version };
}
