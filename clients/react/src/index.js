/**
 * The realtime client as React hooks.
 *
 *     <RealtimeProvider client={client}>
 *       <CreditProvider userId={user.id}>…</CreditProvider>
 *     </RealtimeProvider>
 *
 *     const { state, transport } = useRealtime("TransactionUpdate", (event) => apply(event.data));
 *     const credit = useCreditBalance();
 *
 * @module
 */

import { follow } from "@realtime-ledger/client/follow";
import { createContext, createElement, useContext, useEffect, useRef, useState, useSyncExternalStore } from "react";

/** @typedef {import("@realtime-ledger/client").RealtimeClient} RealtimeClient */
/** @typedef {import("@realtime-ledger/client").Message} Message */
/** @typedef {import("@realtime-ledger/client").Status} Status */
/** @typedef {{balance: string, version: number, change?: string, reason?: string}} Credit */

const ClientContext = createContext(/** @type {RealtimeClient | null} */ (null));
const CreditContext = createContext(/** @type {Credit | null} */ (null));

/**
 * Keeps the client connected while it is shown.
 *
 * @param {{client: RealtimeClient, children?: import("react").ReactNode}} props
 */
export function RealtimeProvider({ client, children }) {
  useEffect(() => {
    client.start();
    return () => client.stop();
  }, [client]);
  return createElement(ClientContext.Provider, { value: client }, children);
}

/**
 * How the line is, and the client itself; with a type and a handler, calls the handler for each such message.
 *
 * The handler may be another one at each rendering: the newest is called, and none is called twice.
 *
 * @param {string} [type] `"*"` for all
 * @param {(message: Message) => unknown} [handler]
 * @returns {Status & {client: RealtimeClient}}
 */
export function useRealtime(type, handler) {
  const client = useClient();
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(() => {
    if (type !== undefined) return client.on(type, (message) => latest.current?.(message));
  }, [client, type]);
  const status = useSyncExternalStore(watching(client), () => client.status, () => client.status);
  return { ...status, client };
}

/**
 * Knows the user's credit balance and keeps it up to date, for `useCreditBalance` below.
 *
 * @param {{userId: string, initial?: Credit, children?: import("react").ReactNode}} props `initial`: what the page
 *   already holds; without it the balance is asked for
 */
export function CreditProvider({ userId, initial, children }) {
  const client = useClient();
  const [credit, setCredit] = useState(/** @type {Credit | null} */ (initial ?? null));
  useEffect(() => {
    setCredit(initial ?? null); // not what the user before had
    const isOurs = (/** @type {{user_id: string}} */ { user_id }) => user_id === userId;
    const what = { resource: "credit_balance", type: "CreditBalanceUpdate", isOurs, initial };
    return follow(client, what, setCredit);
    // Not anew for another `initial`: what the page held at first is of no interest later.
  }, [client, userId]);
  return createElement(CreditContext.Provider, { value: credit }, children);
}

/** The user's credit balance, null until it is known. @returns {Credit | null} */
export function useCreditBalance() {
  return useContext(CreditContext);
}

/** @returns {RealtimeClient} */
function useClient() {
  const client = useContext(ClientContext);
  if (!client) throw new Error("there is no <RealtimeProvider> around this component");
  return client;
}

/** @type {WeakMap<RealtimeClient, (changed: () => void) => () => void>} one per client: React compares them */
const watchings = new WeakMap();

/** @param {RealtimeClient} client */
function watching(client) {
  const known = watchings.get(client);
  if (known) return known;
  const watch = (/** @type {() => void} */ changed) => client.watch(changed);
  watchings.set(client, watch);
  return watch;
}
