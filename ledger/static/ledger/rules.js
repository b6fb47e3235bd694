/**
 * The family's rules: what each does, what it did last, and running it over everything there is.
 *
 * Separate from the book: rules change transactions, and those are told by themselves.
 *
 * @module
 */

import { copyOf, fill, find, flash, keepInStep, locale, phrase } from "./dom.js";
import { formatDecimal } from "./money.js";
import { client } from "./page.js";
import { send } from "./server.js";
import { Shelf } from "./shelf.js";

/** @typedef {import("./book.js").Book} Book */
/** @typedef {import("./shelf.js").Row} Row */
/** @typedef {{rule_id: string, run_id: string, matched_count: number, changed_count: number, at: string}} Run */

const moment = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const conditions = new Intl.ListFormat(locale, { type: "conjunction" });

/** @param {Book} book @param {Record<string, string>} urls */
export function openRules(book, urls) {
  const rules = new Shelf();
  /** @type {Map<string, Run>} the newest of each rule, by its id */
  const runs = new Map();

  client.on("RuleUpdate", ({ data }) => {
    if (data.action === "deleted") rules.remove(data.rule_id, data.version);
    else rules.put({ ...data.data, version: data.version }, data.action);
    show();
  });
  client.on("RuleExecuted", ({ data, timestamp }) => {
    if (!note({ ...data, at: timestamp })) return;
    const { rule_id, matched_count, changed_count } = data;
    report("rule-news", rule_id, { matched: matched_count, changed: changed_count });
    flash(find("#rules").querySelector(`[data-id="${rule_id}"]`));
  });
  find("#rules").addEventListener("click", (/** @type {Event} */ { target }) => {
    const button = target instanceof Element && target.closest("[data-run]");
    if (button instanceof HTMLButtonElement) void run(button);
  });

  /** @param {HTMLButtonElement} button */
  async function run(button) {
    const id = /** @type {HTMLElement} */ (button.closest("li")).dataset.id ?? "";
    // Kept in the order of tabs meanwhile: a disabled one would lose the focus.
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    report("rule-running", id);
    const answer = await send("POST", `${urls.rules}/${id}/run`);
    button.ariaDisabled = null;
    // What came of it is told by an event, on every page that this user has open.
    if (!answer.ok) find("#rule-news").textContent = faultOf(answer);
  }

  /** @param {string} name @param {string} ruleId @param {Record<string, unknown>} [values] */
  function report(name, ruleId, values) {
    const rule = rules.rows.get(ruleId);
    if (rule) find("#rule-news").textContent = phrase(name, { name: rule.name, ...values });
  }

  /** Keep a run if it is the newest of its rule. @param {Run} run */
  function note(run) {
    const known = runs.get(run.rule_id);
    if (known && known.run_id >= run.run_id) return false;
    runs.set(run.rule_id, run);
    show();
    return true;
  }

  function show() {
    const rows = [...rules.rows.values()].sort((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1));
    find("#rules-section").hidden = rows.length === 0;
    keepInStep(find("#rules"), /** @type {Row[]} */ (rows), { make: () => copyOf("rule"), show: showRule });
  }

  /** @param {HTMLElement} element @param {Row} rule */
  function showRule(element, rule) {
    const last = runs.get(rule.id);
    fill(element, "name", rule.name);
    find("[data-off]", element).hidden = rule.is_active;
    fill(element, "what", `${conditions.format(whenOf(rule, book))} → ${conditions.format(thenOf(rule, book))}`);
    fill(element, "last", last ? phrase("rule-ran", wordsOf(last)) : phrase("rule-never"));
    const button = find("[data-run]", element);
    button.hidden = !book.families.get(rule.family_id)?.may_write;
    button.setAttribute("aria-label", phrase("rule-run", { name: rule.name }));
  }

  return {
    /** Show what a page or a snapshot holds. @param {Row[]} fresh */
    load(fresh) {
      rules.load(fresh);
      for (const { last_run } of fresh) if (last_run) note(last_run);
      show();
    },
    show,
  };
}

/** @param {Run} run */
function wordsOf({ at, matched_count, changed_count }) {
  return { time: moment.format(new Date(at)), matched: matched_count, changed: changed_count };
}

/** @param {Row} rule @param {Book} book */
function whenOf({ description_contains, amount_min, amount_max, account_id }, book) {
  const words = [
    description_contains && phrase("rule-contains", { text: description_contains }),
    amount_min && phrase("rule-min", { amount: formatDecimal(amount_min, locale) }),
    amount_max && phrase("rule-max", { amount: formatDecimal(amount_max, locale) }),
    account_id && phrase("rule-account", { name: book.account(account_id)?.name }),
  ].filter(Boolean);
  return words.length ? words : [phrase("rule-always")];
}

/** @param {Row} rule @param {Book} book */
function thenOf({ family_id, set_category, set_payee_id }, book) {
  const payee = book.payeesOf(family_id).find(({ id }) => id === set_payee_id);
  return [
    set_category && phrase("rule-category", { name: set_category }),
    payee && phrase("rule-payee", { name: payee.name }),
  ].filter(Boolean);
}

/** @param {import("./server.js").Answer} answer */
function faultOf({ status, data }) {
  if (data?.detail) return data.detail;
  return status ? phrase("failed", { status }) : phrase("unreachable");
}
