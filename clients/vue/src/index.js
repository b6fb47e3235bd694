/**
 * The realtime client for Vue.
 *
 *     createApp(App).use(realtime(client)).mount("#app");
 *
 *     const { state, transport } = useRealtime("TransactionUpdate", (event) => apply(event.data));
 *
 * @module
 */

import { computed, hasInjectionContext, inject, onScopeDispose, readonly, shallowRef } from "vue";

/** @typedef {import("@realtime-ledger/client").RealtimeClient} RealtimeClient */
/** @typedef {import("@realtime-ledger/client").Message} Message */
/** @typedef {import("@realtime-ledger/client").Status} Status */

/**
 * @typedef {object} Line
 * @property {Readonly<import("vue").Ref<Status>>} status
 * @property {import("vue").ComputedRef<Status["state"]>} state
 * @property {import("vue").ComputedRef<string>} transport
 */

/** @type {import("vue").InjectionKey<RealtimeClient>} */
const CLIENT = Symbol("realtime client");

/**
 * The plugin: every component of the app finds the client, which is connected as long as the app is mounted.
 *
 * @param {RealtimeClient} client @returns {import("vue").Plugin}
 */
export function realtime(client) {
  return {
    install(app) {
      app.provide(CLIENT, client);
      app.onUnmount(() => client.stop());
      client.start();
    },
  };
}

/**
 * How the line is, and the client itself; with a type and a handler, calls the handler for each such message until the
 * component or scope that asked is gone.
 *
 * @param {string} [type] `"*"` for all
 * @param {(message: Message) => unknown} [handler]
 * @returns {Line & {client: RealtimeClient}}
 */
export function useRealtime(type, handler) {
  const client = hasInjectionContext() ? inject(CLIENT, null) : null;
  if (!client) throw new Error("useRealtime() belongs in a setup() of an app that uses realtime(client)");
  if (type !== undefined && handler) onScopeDispose(client.on(type, handler));
  return { client, ...lineOf(client) };
}

/** How the line of a client is, as long as the present scope lives. @param {RealtimeClient} client @returns {Line} */
export function lineOf(client) {
  const status = shallowRef(/** @type {Status} */ (client.status));
  onScopeDispose(client.watch((next) => void (status.value = next)));
  return {
    status: readonly(status),
    state: computed(() => status.value.state),
    transport: computed(() => status.value.transport),
  };
}
