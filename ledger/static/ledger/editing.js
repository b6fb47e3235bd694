/**
 * The dialog in which a transaction is changed, voided or deleted.
 *
 * Separate from entering one: here somebody else may change or delete the same row meanwhile, and is noticed.
 *
 * @module
 */

import { fill, find, phrase } from "./dom.js";
import { faultsOf, fieldsOf, offerAccounts, offerPayees, read, refusalsOf, showFaults, write } from "./forms.js";
import { payeeIdFor } from "./payees.js";
import { send } from "./server.js";
import { openSuggesting } from "./suggesting.js";

/** @typedef {import("./book.js").Book} Book */
/** @typedef {import("./book.js").Change} Change */
/** @typedef {import("./book.js").Row} Row */
/** @typedef {import("./server.js").Answer} Answer */

/** What the two halves of a transfer share: the server changes it for both, by way of the transfer. */
const OF_THE_TRANSFER = ["account_id", "direction", "amount", "date"];

/**
 * @param {Book} book @param {Record<string, string>} urls
 * @param {{hear: (event: any) => void, lookUp: (id: string) => Row | null}} page `hear` is given what the server made
 *   of it; `lookUp` knows the transactions that are shown
 */
export function openEditing(book, urls, { hear, lookUp }) {
  /** @type {HTMLDialogElement} */
  const dialog = find("#edit");
  /** @type {HTMLFormElement} */
  const form = find("form", dialog);
  const [voiding, deleting] = [find("[data-void]", form), find("[data-delete]", form)];
  /** @type {Row | null} the row as it was when the dialog opened */
  let row = null;

  openSuggesting(form, book);
  find("#transactions").addEventListener("click", (/** @type {Event} */ { target }) => {
    const button = target instanceof Element && target.closest("[data-edit]");
    const id = button && /** @type {HTMLElement} */ (button.closest("tr")).dataset.id;
    if (id) begin(lookUp(id));
  });
  find("[data-cancel]", form).addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => (row = null));
  fieldsOf(form).account_id.addEventListener("change", () => offerPayees(form, book));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(save);
  });
  voiding.addEventListener("click", () => void attempt(toggleVoid));
  deleting.addEventListener("click", () => {
    if (deleting.dataset.armed) return void attempt(remove);
    deleting.dataset.armed = "true";
    deleting.textContent = phrase("really-delete");
  });

  /** @param {Row | null} transaction */
  function begin(transaction) {
    if (!transaction) return;
    row = transaction;
    offerAccounts(form, book);
    write(form, transaction);
    offerPayees(form, book);
    showFaults(form, {});
    fill(form, "overtaken", "");
    const isLeg = transaction.transfer_id !== null;
    for (const name of OF_THE_TRANSFER) disable(fieldsOf(form)[name], isLeg);
    voiding.hidden = deleting.hidden = isLeg;
    voiding.textContent = phrase(transaction.status === "void" ? "restore" : "void");
    delete deleting.dataset.armed;
    deleting.textContent = phrase("delete");
    dialog.showModal();
  }

  /** Do one thing at a time; close when it worked. @param {(row: Row) => Promise<Answer | null>} action */
  async function attempt(action) {
    if (!row || form.ariaBusy === "true") return;
    const { id } = row;
    form.ariaBusy = "true";
    const answer = await action(row).finally(() => (form.ariaBusy = "false"));
    if (!answer) return;
    // The dialog may have been closed, and opened for another row, while the answer was under way.
    const isShown = row?.id === id;
    if (answer.ok && isShown) dialog.close();
    else if (isShown) showFaults(form, refusalsOf(form, answer));
    if (!answer.ok) return;
    const { data } = answer;
    hear({ type: "TransactionUpdate", data: { action: data ? "updated" : "deleted", transaction_id: id, data } });
    // With the row the button that had the focus is gone.
    if (!lookUp(id)) find("#transactions-title").focus();
  }

  /** @param {Row} before */
  async function save(before) {
    const { payee, ...entered } = read(form);
    // Nobody enters nothing here, but there may be such a transaction: left as it is, it is no fault.
    if (fieldsOf(form).amount.value === before.amount) entered.amount ??= before.amount;
    const faults = faultsOf({ payee, ...entered });
    showFaults(form, faults);
    if (Object.keys(faults).length) return null;
    const body = changes(before, entered);
    if (payee !== (before.payee_name ?? "")) {
      const found = await payeeIdFor(payee, entered.account_id, book, urls);
      if (found.refusal) return found.refusal;
      body.payee_id = found.id;
    }
    return send("PATCH", addressOf(before), { body });
  }

  /** @param {Row} before */
  const toggleVoid = (before) =>
    send("PATCH", addressOf(before), { body: { status: before.status === "void" ? "posted" : "void" } });

  /** @param {Row} before */
  const remove = (before) => send("DELETE", addressOf(before));

  /** @param {Row} transaction */
  const addressOf = ({ id }) => `${urls.transactions}/${id}`;

  return {
    /** Tell the reader of the dialog when somebody else got there first. @param {Change | null} change */
    show(change) {
      if (!row || form.ariaBusy === "true") return;
      const present = lookUp(row.id);
      if (change && (change.before ?? change.after).id !== row.id) return;
      if (present?.version !== row.version) fill(form, "overtaken", phrase(present ? "overtaken" : "gone"));
    },
  };
}

/** Only what the reader changed: the rest may have been changed by others. @param {Row} before @param {Record<string, any>} entered */
function changes(before, entered) {
  /** @type {Record<string, any>} */
  const changed = {};
  for (const [name, value] of Object.entries(entered)) if (value !== before[name]) changed[name] = value;
  return changed;
}

/** @param {any} field one control, or the radio buttons of one name @param {boolean} isDisabled */
function disable(field, isDisabled) {
  for (const control of field instanceof RadioNodeList ? field : [field]) {
    /** @type {HTMLInputElement} */ (control).disabled = isDisabled;
  }
}
