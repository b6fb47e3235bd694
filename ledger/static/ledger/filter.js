/**
 * The form above the transactions: narrows the list while one types, and has the server look for older ones.
 *
 * Separate from the search itself, which knows no form, and from the list, which shows whatever is found.
 *
 * @module
 */

import { find, openToggle, phrase } from "./dom.js";
import { MOST_FOUND, Search, isNothing, queryOf } from "./search.js";
import { getJSON } from "./server.js";

/** @typedef {import("./book.js").Book} Book */
/** @typedef {import("./search.js").Wanted} Wanted */

/** How long a typist pauses before the server is asked. */
const PAUSE_MS = 250;

/**
 * @param {Book} book @param {Record<string, string>} urls
 * @param {() => void} changed is called when something else is to be shown
 */
export function openFilter(book, urls, changed) {
  const search = new Search();
  /** @type {HTMLFormElement} */
  const form = find("#filter");
  let timer = 0;
  /** @type {"" | "looking" | "found" | "found-here"} how far the search has come */
  let outcome = "";

  openToggle("#filter-toggle");
  form.addEventListener("input", renew);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The fields are emptied only after this event.
  form.addEventListener("reset", () => setTimeout(renew));

  function renew() {
    const entered = /** @type {Wanted} */ (Object.fromEntries(new FormData(form)));
    const wanted = { ...entered, search: entered.search.trim() };
    search.begin(isNothing(wanted) ? null : wanted);
    find("#filter-clear").disabled = !search.wanted;
    clearTimeout(timer);
    outcome = search.wanted ? "looking" : "";
    if (search.wanted) timer = setTimeout(() => void look(wanted), PAUSE_MS);
    changed();
  }

  /** @param {Wanted} wanted */
  async function look(wanted) {
    const asked = search.wanted;
    const answer = await getJSON(`${urls.transactions}?${queryOf(wanted)}`).catch(() => null);
    // Something else has been asked for meanwhile.
    if (search.wanted !== asked) return;
    search.take(answer?.results ?? []);
    outcome = answer ? "found" : "found-here";
    changed();
  }

  return {
    search,

    /** Offer the accounts there are; the choice made stays while there is such an account. */
    offer() {
      const select = form.elements.namedItem("account_id");
      if (!(select instanceof HTMLSelectElement)) return;
      const chosen = select.value;
      select.length = 1;
      select.append(...book.accounts.map(({ id, name }) => new Option(name, id, false, id === chosen)));
      if (select.value !== chosen) renew();
    },

    /** Ask anew: the page has been fetched anew. */
    again() {
      if (search.wanted) renew();
    },

    /** Say how many were found. @param {number} count */
    report(count) {
      const name = outcome === "found" && count === MOST_FOUND ? "found-most" : outcome;
      const text = name && phrase(name, { count });
      if (find("#found").textContent !== text) find("#found").textContent = text;
    },
  };
}
