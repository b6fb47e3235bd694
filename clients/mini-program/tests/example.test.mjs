/** The example, as a mini-program runs it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { miniProgram, settled } from "./wx.mjs";

test("the example's page shows the credit as it changes, until it is left", async () => {
  const there = miniProgram();
  there.stored.set("access", "secret");
  there.run("../example/app.js");
  there.run("../example/pages/credit/credit.js");
  there.page.onLoad();
  await settled();
  const [task] = there.tasks;
  const shown = () => [there.page.data.state, there.page.data.transport, there.page.data.balance];
  const credit = (version) => ({ user_id: "u", version, balance: `${version}.00` });

  task.greets();
  task.says({ type: "Response", reply_to: task.commands("Request")[0].id, data: { result: credit(1) } });
  await settled();
  const first = shown();
  task.says({ type: "CreditBalanceUpdate", id: "id-1", seq: 1, cursor: "c1", data: credit(2) });
  const second = shown();
  there.page.onUnload();
  task.says({ type: "CreditBalanceUpdate", id: "id-2", seq: 2, cursor: "c2", data: credit(3) });

  assert.equal(task.header.Authorization, "Bearer secret");
  assert.deepEqual(first, ["live", "websocket", "1.00"]);
  assert.deepEqual(second, ["live", "websocket", "2.00"]);
  assert.equal(there.page.data.balance, "2.00");
});
