/**
 * From a payee's name, as it is typed, to the payee.
 *
 * @module
 */

import { send } from "./server.js";

/** @typedef {{id: string | null, refusal?: import("./server.js").Answer}} Found */

/**
 * The id of the payee of that name in the account's family, made when there is none; null for no name.
 *
 * @param {string} name @param {string} accountId
 * @param {import("./book.js").Book} book @param {Record<string, string>} urls
 * @returns {Promise<Found>}
 */
export async function payeeIdFor(name, accountId, book, urls) {
  const familyId = book.account(accountId)?.family_id;
  if (!name || !familyId) return { id: null };
  const wanted = name.toLocaleLowerCase();
  const known = book.payeesOf(familyId).find((payee) => payee.name.toLocaleLowerCase() === wanted);
  if (known) return { id: known.id };
  const answer = await send("POST", urls.payees, { body: { family_id: familyId, name } });
  if (!answer.ok) return { id: null, refusal: answer };
  book.apply({ type: "PayeeUpdate", data: { action: "created", payee_id: answer.data.id, data: answer.data } });
  return { id: answer.data.id };
}
