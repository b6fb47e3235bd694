/**
 * The realtime client as Pinia stores: the line, and the user's credit balance.
 *
 *     export const useRealtimeStore = realtimeStore(client);
 *     export const useCreditStore = creditStore(client, user.id);
 *
 * @module
 */

import { follow } from "@realtime-ledger/client/follow";
import { defineStore } from "pinia";
import { computed, onScopeDispose, shallowRef } from "vue";

import { lineOf } from "./index.js";

/** @typedef {import("@realtime-ledger/client").RealtimeClient} RealtimeClient */
/** @typedef {{balance: string, version: number, change?: string, reason?: string}} Credit */

/** A store of the line: `status`, `state`, `transport`, and `start()` and `stop()`. @param {RealtimeClient} client */
export function realtimeStore(client) {
  return defineStore("realtime", () => line(client));
}

/** @param {RealtimeClient} client @returns {import("./index.js").Line & {start: () => void, stop: () => void}} */
function line(client) {
  return { ...lineOf(client), start: () => client.start(), stop: () => client.stop() };
}

/**
 * A store of the user's credit: `credit`, null until it is known, and `balance`.
 *
 * @param {RealtimeClient} client @param {string} userId
 * @param {Credit} [initial] what the page already holds; without it the balance is asked for
 */
export function creditStore(client, userId, initial) {
  return defineStore("credit", () => {
    const credit = shallowRef(/** @type {Credit | null} */ (initial ?? null));
    const isOurs = (/** @type {{user_id: string}} */ { user_id }) => user_id === userId;
    const what = { resource: "credit_balance", type: "CreditBalanceUpdate", isOurs, initial };
    onScopeDispose(follow(client, what, (next) => void (credit.value = next)));
    return { credit, balance: computed(() => credit.value?.balance ?? null) };
  });
}
