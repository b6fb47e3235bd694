/**
 * Payees suggested for a description while it is being typed.
 *
 * Separate from the form: a suggestion that comes late, or not at all, is in nobody's way.
 *
 * @module
 */

import { copyOf, find, phrase } from "./dom.js";
import { fieldsOf } from "./forms.js";
import { client } from "./page.js";

/** @typedef {import("./book.js").Book} Book */

const PAUSE_MS = 250;
const SHORTEST = 3;
const MOST = 3;

/** @param {HTMLFormElement} form @param {Book} book */
export function openSuggesting(form, book) {
  const { description, payee, account_id } = fieldsOf(form);
  const place = find("[data-suggestions]", form);
  let timer = 0;

  for (const field of [description, account_id]) field.addEventListener("input", renew);
  payee.addEventListener("input", clear);
  form.addEventListener("submit", clear);

  function clear() {
    clearTimeout(timer);
    place.replaceChildren();
  }

  function renew() {
    clearTimeout(timer);
    if (wanted() === null) return clear();
    timer = setTimeout(() => void ask(), PAUSE_MS);
  }

  /** What to ask for; null for nothing. */
  function wanted() {
    const text = description.value.trim();
    const family = book.account(account_id.value)?.family_id;
    return payee.value.trim() || text.length < SHORTEST || !family ? null : { family_id: family, description: text };
  }

  async function ask() {
    const asked = wanted();
    if (!asked) return;
    const answer = await client.request("payee_suggestions", asked).catch(() => null);
    // Something else has been typed meanwhile.
    if (answer && JSON.stringify(wanted()) === JSON.stringify(asked)) show(answer.result.suggestions);
  }

  /** @param {{name: string}[]} suggestions */
  function show(suggestions) {
    const hadFocus = place.contains(document.activeElement);
    place.replaceChildren(...suggestions.slice(0, MOST).map(({ name }) => buttonFor(name)));
    if (hadFocus) payee.focus();
  }

  /** @param {string} name */
  function buttonFor(name) {
    const button = copyOf("suggestion");
    button.textContent = name;
    button.setAttribute("aria-label", phrase("suggest", { name }));
    button.addEventListener("click", () => {
      payee.value = name;
      clear();
      payee.focus();
    });
    return button;
  }
}
