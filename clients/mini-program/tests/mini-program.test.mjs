/** The packed client in a mini-program: no browser, a `wx` with its limits, and a server that the test plays. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { miniProgram, settled } from "./wx.mjs";

const event = (seq) => ({ type: "TransactionUpdate", topic: "family:f", seq, cursor: `c${seq}`, id: `id-${seq}`, data: { seq } });
const token = (exp) => `e30.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.s`;

/** A client that is live on a socket. */
async function live(options) {
  const there = miniProgram();
  there.client = there.realtime(options);
  there.told = [];
  there.client.on("TransactionUpdate", ({ seq }) => there.told.push(seq));
  there.client.start();
  await settled();
  there.tasks.at(-1).greets();
  return there;
}

test("it connects over wx.connectSocket, with the token in a header and never in the address", async () => {
  const there = await live({ getToken: async () => "secret", cursor: "page" });

  const [{ url, header }] = there.tasks;
  assert.equal(url.href, "wss://ledger.example/ws?refuse=close&cursor=page");
  assert.deepEqual({ ...header }, { Authorization: "Bearer secret" });
  assert.deepEqual([there.client.state, there.client.transport], ["live", "websocket"]);
});

test("events are told once and in order, the heartbeat is answered, commands go over the socket", async () => {
  const there = await live();
  const [task] = there.tasks;

  for (const seq of [1, 2, 2, 3]) task.says(event(seq));
  task.says({ type: "Ping", cursor: "c4" });
  const answer = there.client.request("accounts");
  task.says({ type: "Response", reply_to: task.commands("Request")[0].id, data: { result: ["Everyday"] } });
  there.client.ack("id-3");

  assert.deepEqual(there.told, [1, 2, 3]);
  assert.equal(task.commands("Pong").length, 1);
  assert.deepEqual([...(await answer).result], ["Everyday"]);
  assert.equal(task.commands("Ack")[0].data.message_id, "id-3");
  assert.equal(there.client.cursor, "c4");
});

test("back from the background, where its socket was closed, it resumes at once from its cursor", async () => {
  const there = await live();
  there.tasks[0].says(event(1));

  there.hide(60_000);
  await settled();
  const before = there.tasks.length;
  there.show();
  await settled();
  there.tasks.at(-1).greets();
  there.tasks.at(-1).says(event(2));

  assert.equal(before, 1);
  assert.equal(there.tasks.at(-1).url.searchParams.get("cursor"), "c1");
  assert.deepEqual(there.told, [1, 2]);
});

test("back after less than that, it finds out whether the line still carries anything", async () => {
  const there = await live();

  there.hide(1000);
  there.show();
  const asked = there.tasks[0].commands("Ping").length;
  there.pass(5000);

  assert.equal(asked, 1);
  assert.equal(there.client.state, "waiting");
});

test("the network that comes back is not waited for any longer", async () => {
  const there = await live();
  there.tasks[0].ends(1006);
  await settled();

  const before = there.tasks.length;
  there.network(true);

  assert.deepEqual([before, there.tasks.length], [1, 2]);
});

test("a socket that fails with an error and a close counts once", async () => {
  const there = await live();
  there.tasks[0].ends(1006);
  await settled();

  there.pass(2000);
  there.tasks[1].breaks();
  await settled();

  assert.equal(there.client.status.retryInMs, 4000);
});

test("where no socket is to be had it polls by wx.request, and resumes from its cursor", async () => {
  const there = miniProgram();
  const client = there.realtime({ cursor: "page", getToken: () => "secret" });
  const told = [];
  client.on("TransactionUpdate", ({ seq }) => told.push(seq));
  client.start();
  await settled();

  there.tasks[0].breaks();
  await settled();
  await settled();
  const [poll] = there.requests;
  poll.answers({ events: [event(1)], cursor: "c1", has_more: false, reset: [], poll_interval_ms: 1000 });
  await settled();
  there.pass(1100);
  await settled();

  assert.equal(poll.address.href, "https://ledger.example/api/v1/events?cursor=page");
  assert.equal(poll.header.Authorization, "Bearer secret");
  assert.equal(poll.timeout, 15_000);
  assert.deepEqual([client.state, client.transport, told], ["live", "polling", [1]]);
  assert.equal(there.requests[1].address.searchParams.get("cursor"), "c1");
});

test("Retry-After is obeyed however its name is written", async () => {
  const there = miniProgram();
  const client = there.realtime({ transports: ["polling"], environment: { now: () => 0, random: () => 0 } });
  client.start();
  await settled();

  there.requests[0].answers({ code: "too_many_connections", message: "" }, 429, { "retry-after": "7" });
  await settled();

  assert.deepEqual([client.state, client.status.code, client.status.retryInMs], ["waiting", 4430, 7000]);
});

test("however often the line breaks, it never holds more than one of the five sockets", async () => {
  const there = await live();

  for (let turn = 0; turn < 20; turn++) {
    there.client.cut();
    there.pass(32_000);
    await settled();
    if (turn % 2) there.tasks.at(-1).greets();
    else there.pass(10_000); // never greets: given up while it still connects
    there.tasks.filter(({ state }) => state === "connecting").slice(0, -1).forEach((task) => task.opens());
    assert.ok(there.tasks.filter(({ state }) => state !== "closed").length <= 2);
  }

  assert.equal(there.refused, 0);
});

test("when the program itself has taken all five sockets, it polls", async () => {
  const there = miniProgram();
  for (let own = 0; own < 5; own++) there.wx.connectSocket({ url: "wss://other.example/" });
  const client = there.realtime();

  client.start();
  await settled();
  await settled();
  there.requests[0].answers({ events: [], cursor: "c0", has_more: false, reset: [], poll_interval_ms: 1000 });
  await settled();

  assert.deepEqual([there.refused, client.transport], [1, "polling"]);
});

test("of ten requests it leaves five to the program", async () => {
  const there = miniProgram();
  const client = there.realtime({ transports: ["polling"] });
  client.start();
  await settled();
  there.requests[0].answers({ events: [], cursor: "c0", has_more: false, reset: [], poll_interval_ms: 100_000 });
  await settled();

  const asked = Array.from({ length: 12 }, () => client.request("accounts"));
  await settled();
  while (there.requests.some(({ isOver }) => !isOver)) {
    there.requests.find(({ isOver }) => !isOver).answers({ result: [] });
    await settled();
  }
  await Promise.all(asked);

  assert.equal(there.mostUnderWay, 5);
});

test("a token is renewed before it ends, which is read from it without a browser's help", async () => {
  const there = miniProgram();
  const given = [];
  const client = there.realtime({
    transports: ["polling"],
    getToken: () => token((1_000_000 + given.push(0) * 100_000) / 1000),
  });
  client.start();
  await settled();
  for (let turn = 0; turn < 8; turn++) {
    there.requests.at(-1).answers({ events: [], cursor: "c0", has_more: false, reset: [], poll_interval_ms: 20_000 });
    await settled();
    there.pass(22_000);
    await settled();
  }

  assert.equal(given.length, 3);
  assert.equal(client.state, "live");
});

test("with keepCursor the place outlives the program", async () => {
  const there = await live({ keepCursor: true });
  there.tasks[0].says(event(1));

  there.hide(0);

  assert.equal(there.stored.get("realtime.cursor"), "c1");
  assert.equal(there.realtime({ keepCursor: true }).cursor, "c1");
});

test("a stop closes the socket, also one that had not opened yet", async () => {
  const there = miniProgram();
  const client = there.realtime();
  client.start();
  await settled();

  client.stop();
  there.tasks[0].opens();

  assert.equal(there.tasks[0].state, "closed");
});
