/** The composable and the stores, in Vue's and Pinia's own hands, over a client whose server the test plays. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { realtime, useRealtime } from "@realtime-ledger/vue";
import { creditStore, realtimeStore } from "@realtime-ledger/vue/pinia";
import { createPinia } from "pinia";
import { createSSRApp, effectScope, nextTick, watch } from "vue";

import { event, settled, world } from "../../../tests/browser/js/world.mjs";

/** An app that uses the client, and a component's scope in it. */
function inApp(there, setup) {
  const app = createSSRApp({ render: () => null });
  app.use(realtime(there.client));
  const scope = effectScope();
  const given = app.runWithContext(() => scope.run(setup));
  return { app, scope, given };
}

const credit = (seq, version, user_id = "alice") =>
  event(seq, { type: "CreditBalanceUpdate", data: { user_id, version, balance: `${version}.00` } });

test("an app that uses the client connects it, and its components see how the line is", async () => {
  const there = world();
  const seen = [];
  const { given } = inApp(there, () => {
    const line = useRealtime();
    watch([line.state, line.transport], ([state, transport]) => seen.push(`${state} ${transport}`));
    return line;
  });

  const first = given.state.value;
  there.socket.greets();
  await nextTick();
  there.socket.closes();
  await nextTick();

  assert.equal(first, "connecting");
  assert.deepEqual(seen, ["live websocket", "waiting "]);
  assert.equal(given.status.value.retryInMs, 2000);
});

test("a handler is called for each event of its type until its component is gone", () => {
  const there = world();
  const told = [];
  const { scope } = inApp(there, () => useRealtime("TransactionUpdate", ({ seq }) => told.push(seq)));
  there.socket.greets();

  there.socket.says(event(1));
  there.socket.says(event(2, { type: "AccountUpdate" }));
  scope.stop();
  there.socket.says(event(3));

  assert.deepEqual(told, [1]);
});

test("outside of an app it says what is missing", () => {
  assert.throws(() => useRealtime(), /realtime\(client\)/);
});

test("the store of the line follows it, starts it and stops it", () => {
  const there = world();
  const store = realtimeStore(there.client)(createPinia());
  const states = [store.state];

  store.start();
  states.push(store.state);
  there.socket.greets();
  states.push(`${store.state} ${store.transport}`);
  store.stop();
  states.push(store.state);

  assert.deepEqual(states, ["stopped", "connecting", "live websocket", "stopped"]);
});

test("the store of the credit asks for it, and follows each newer version of the user's own", async () => {
  const there = world();
  const store = creditStore(there.client, "alice")(createPinia());
  const shown = [store.balance];
  there.client.start();
  there.socket.greets();

  const { id } = there.socket.commands("Request").at(-1);
  there.socket.says({ type: "Response", reply_to: id, data: { result: credit(0, 3).data } });
  await settled();
  shown.push(store.balance);
  for (const [seq, version, user] of [[1, 4], [2, 2], [3, 9, "bob"]]) there.socket.says(credit(seq, version, user));
  shown.push(store.balance);

  assert.deepEqual(shown, [null, "3.00", "4.00"]);
  assert.equal(store.credit.version, 4);
});

test("a store that is disposed of hears nothing any more", () => {
  const there = world();
  const store = creditStore(there.client, "alice", { balance: "1.00", version: 1 })(createPinia());
  there.client.start();
  there.socket.greets();

  store.$dispose();
  there.socket.says(credit(1, 5));

  assert.equal(store.balance, "1.00");
});
