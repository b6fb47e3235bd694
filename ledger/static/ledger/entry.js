/**
 * The form for a new transaction. What is being typed is never lost: not by an event, not by a failure.
 *
 * Separate from changing one: only here can a repeated request make something twice.
 *
 * @module
 */

import { fill, find, openToggle, phrase } from "./dom.js";
import { keepDraft } from "./draft.js";
import { faultsOf, fieldsOf, offerAccounts, offerPayees, read, refusalsOf, showFaults, today } from "./forms.js";
import { page } from "./page.js";
import { payeeIdFor } from "./payees.js";
import { newKey, send } from "./server.js";
import { openSuggesting } from "./suggesting.js";

/** @typedef {import("./book.js").Book} Book */

/** What is emptied after saving; account, direction and date are likely to be the same for the next one. */
const EMPTIED = ["amount", "description", "payee"];

/**
 * @param {Book} book @param {Record<string, string>} urls
 * @param {(event: any) => void} hear is given what the server made of it
 */
export function openEntry(book, urls, hear) {
  /** @type {HTMLFormElement} */
  const form = find("#new");
  // One for each transaction meant, however often it is sent: a field, so that it is kept with what was typed.
  const { key } = fieldsOf(form);
  let proposed = (fieldsOf(form).date.value = today());

  // An account that was chosen is there to be chosen only once the book is open.
  let keep = () => {};
  openSuggesting(form, book);
  openToggle("#entry-toggle", () => fieldsOf(form).amount.focus());
  form.addEventListener("input", () => {
    key.value = "";
    fill(form, "status", "");
  });
  form.addEventListener("focusin", proposeToday);
  fieldsOf(form).account_id.addEventListener("change", () => offerPayees(form, book));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = find("button", form);
    if (button.disabled) return;
    button.disabled = true;
    await save().finally(() => (button.disabled = false));
  });

  /** The page may have been open for weeks. A day that was chosen stays, as does that of what is being typed. */
  function proposeToday() {
    const { date } = fieldsOf(form);
    if (date.value !== proposed || EMPTIED.some((name) => fieldsOf(form)[name].value)) return;
    date.value = proposed = today();
  }

  async function save() {
    const entered = read(form);
    const faults = faultsOf(entered);
    showFaults(form, faults);
    if (Object.keys(faults).length) return;
    fill(form, "status", phrase("saving"));
    const typed = EMPTIED.map((name) => fieldsOf(form)[name].value);
    key.value ||= newKey();
    keep();
    const answer = await create(entered, key.value);
    fill(form, "status", answer.ok ? phrase("saved") : "");
    if (!answer.ok) return showFaults(form, refusalsOf(form, answer));
    key.value = "";
    // What was typed while the request was under way belongs to the next one.
    EMPTIED.forEach((name, index) => {
      if (fieldsOf(form)[name].value === typed[index]) fieldsOf(form)[name].value = "";
    });
    keep();
    fieldsOf(form).amount.focus();
    const { id } = answer.data;
    hear({ type: "TransactionUpdate", data: { action: "created", transaction_id: id, data: answer.data } });
  }

  /** @param {import("./forms.js").Entry} entered @param {string} idempotencyKey */
  async function create({ payee, ...entered }, idempotencyKey) {
    const found = await payeeIdFor(payee, entered.account_id, book, urls);
    if (found.refusal) return found.refusal;
    return send("POST", urls.transactions, { body: { ...entered, payee_id: found.id }, idempotencyKey });
  }

  return {
    /** Fill in what was being typed when the page was left. Once, after the first `show`. */
    restore() {
      keep = keepDraft(form, page.user.id);
      offerPayees(form, book);
    },

    /** Show or hide the form and renew its choices; what is typed stays. */
    show() {
      find("#entry").hidden = !book.accounts.some(({ id }) => book.mayWrite(id));
      offerAccounts(form, book);
    },
  };
}
