/** The hooks, rendered by React itself, over a client whose server the test plays. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CreditProvider, RealtimeProvider, useCreditBalance, useRealtime } from "@realtime-ledger/react";
import { StrictMode, act, createElement } from "react";
import { create } from "react-test-renderer";

import { event, settled, world } from "../../../tests/browser/js/world.mjs";

const { error } = console;
const complaints = [];

before(() => {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  // React's own complaints are failures; that this renderer has no future is none.
  console.error = (...words) => String(words[0]).includes("react-test-renderer is deprecated") || complaints.push(words);
});
after(() => {
  console.error = error;
  assert.deepEqual(complaints, []);
});

/** Render below a provider; `rendered.text` is what is shown. */
async function rendered(there, children) {
  let tree;
  const show = (element) => createElement(RealtimeProvider, { client: there.client }, element);
  await act(async () => {
    tree = create(show(children));
  });
  return {
    get text() {
      return [tree.toJSON()].flat().join("");
    },
    update: (element) => act(async () => tree.update(show(element))),
    unmount: () => act(async () => tree.unmount()),
  };
}

function Badge() {
  const { state, transport } = useRealtime();
  return `${state} ${transport}`;
}

function Told({ type, told, prefix = "" }) {
  useRealtime(type, ({ seq }) => told.push(`${prefix}${seq}`));
  return null;
}

function Balance() {
  return useCreditBalance()?.balance ?? "unknown";
}

const credit = (seq, version, user_id = "alice") =>
  event(seq, { type: "CreditBalanceUpdate", data: { user_id, version, balance: `${version}.00` } });

test("the line is connected while the provider is shown, and what it does is rendered", async () => {
  const there = world();
  const page = await rendered(there, createElement(Badge));
  const first = page.text;

  await act(async () => there.socket.greets());
  const live = page.text;
  await act(async () => there.socket.closes());
  const broken = page.text;
  await page.unmount();

  assert.deepEqual([first, live, broken], ["connecting websocket", "live websocket", "waiting "]);
  assert.equal(there.client.state, "stopped");
});

test("a handler is called for each event of its type, the newest one after a rendering, none after the end", async () => {
  const there = world();
  const told = [];
  const page = await rendered(there, createElement(Told, { type: "TransactionUpdate", told }));
  await act(async () => there.socket.greets());

  there.socket.says(event(1));
  await page.update(createElement(Told, { type: "TransactionUpdate", told, prefix: "again " }));
  there.socket.says(event(2));
  await page.update(createElement(Told, { type: "AccountUpdate", told, prefix: "other " }));
  there.socket.says(event(3));
  there.socket.says(event(4, { type: "AccountUpdate" }));
  const handler = there.socket.onmessage;
  await page.unmount();
  handler({ data: JSON.stringify(event(5, { type: "AccountUpdate" })) });

  assert.deepEqual(told, ["1", "again 2", "other 4"]);
});

test("mounted twice, as in strict mode, each event is told once", async () => {
  const there = world();
  const told = [];
  await rendered(there, createElement(StrictMode, null, createElement(Told, { type: "TransactionUpdate", told })));
  await act(async () => there.socket.greets());

  there.socket.says(event(1));

  assert.deepEqual(told, ["1"]);
});

test("the balance is asked for, follows each newer version of the user's own, and is anew after a Reset", async () => {
  const there = world();
  const page = await rendered(there, createElement(CreditProvider, { userId: "alice" }, createElement(Balance)));
  const shown = [page.text];
  const answer = (version) =>
    act(async () => {
      const { id } = there.socket.commands("Request").at(-1);
      there.socket.says({ type: "Response", reply_to: id, data: { result: credit(0, version).data } });
      await settled();
    });

  await act(async () => there.socket.greets());
  await answer(3);
  shown.push(page.text);
  for (const [seq, version, user] of [[1, 4], [2, 2], [3, 9, "bob"]]) {
    await act(async () => there.socket.says(credit(seq, version, user)));
  }
  shown.push(page.text);
  await act(async () => there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n1" } }));
  await answer(1);
  shown.push(page.text);

  assert.deepEqual(shown, ["unknown", "3.00", "4.00", "1.00"]);
});

test("a balance that the page already holds is shown at once and not asked for", async () => {
  const there = world();
  const initial = { balance: "7.00", version: 7 };
  const page = await rendered(there, createElement(CreditProvider, { userId: "alice", initial }, createElement(Balance)));

  await act(async () => there.socket.greets());

  assert.equal(page.text, "7.00");
  assert.deepEqual(there.socket.commands("Request"), []);
});

test("nobody is shown the balance of who was here before", async () => {
  const there = world();
  const of = (userId, initial) => createElement(CreditProvider, { userId, initial }, createElement(Balance));
  const page = await rendered(there, of("alice", { balance: "7.00", version: 7 }));
  await act(async () => there.socket.greets());

  await page.update(of("bob"));
  const shown = [page.text];
  await page.update(of("carol", { balance: "1.00", version: 1 }));
  shown.push(page.text);

  assert.deepEqual(shown, ["unknown", "1.00"]);
});

test("a balance that is shown no longer is asked for no longer", async () => {
  const there = world();
  const page = await rendered(there, createElement(CreditProvider, { userId: "alice" }, createElement(Balance)));
  await act(async () => there.socket.greets());

  await page.update(createElement(Badge));
  await act(async () => there.socket.says({ type: "Reset", data: { reason: "epoch", cursor: "n1" } }));

  assert.equal(there.socket.commands("Request").length, 1);
});

test("a hook outside a provider says what is missing", async () => {
  await assert.rejects(async () => {
    await act(async () => create(createElement(Badge)));
  }, /RealtimeProvider/);

  complaints.length = 0; // of the error that was just thrown
});
