/** Server-sent events and polling: what is asked, what is told, and when the client falls to them and climbs back. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Events } from "../../../realtime/static/realtime/sse.js";
import { collect, event, settled, world } from "./world.mjs";

const ALL = ["websocket", "sse", "polling"];
const seqs = (events) => events.map(({ seq }) => seq);
const told = ({ statuses }) => statuses.map(({ state, transport }) => `${state} ${transport}`.trim());

/** A client whose stream is open. */
async function streaming(options = {}, greeting = {}) {
  const there = world({ transports: ["sse"], ...options });
  there.client.start();
  await settled();
  await there.request.streams(greeting);
  return there;
}

/** A client that polls and has had its first answer. */
async function polling(options = {}, ...answer) {
  const there = world({ transports: ["polling"], ...options });
  there.client.start();
  await settled();
  await there.request.gives(...answer);
  return there;
}

// --- server-sent events ---------------------------------------------------------------------------

test("a stream is asked for with the topics and the page's cursor, and told in order", async () => {
  const there = await streaming({ cursor: "page", topics: ["account:a"] });
  const given = collect(there.client);

  there.request.says(event(1));
  there.request.says(event(2));
  await settled();

  assert.equal(there.request.path, "stream");
  assert.deepEqual([there.request.param("topics"), there.request.param("cursor")], ["account:a", "page"]);
  assert.deepEqual(seqs(given), [1, 2]);
  assert.deepEqual([there.client.state, there.client.transport, there.client.cursor], ["live", "sse", "c2"]);
});

test("an id line alone keeps the cursor of a quiet page fresh", async () => {
  const there = await streaming({ cursor: "page" });

  there.request.writes("id: later\n\n");
  await settled();

  assert.equal(there.client.cursor, "later");
});

test("a stream that ends with a Close is over for the reason it gives", async () => {
  const there = await streaming();

  there.request.says({ type: "Close", code: 4503, message: "", retry_after: null }, "");
  await settled();

  assert.deepEqual([there.client.state, there.client.status.code], ["stopped", 4503]);
});

test("a Close that says when to come back is obeyed, also when the page wakes", async () => {
  const there = await streaming({ random: 0 });

  there.request.writes(`event: Close\ndata: {"code":1012,"message":"","retry_after":5}\n\n`);
  await settled();
  there.window.dispatchEvent(new Event("online"));
  there.clock.pass(4999);
  const before = there.requests.length;
  there.clock.pass(1);
  await settled();

  assert.deepEqual([before, there.requests.length], [1, 2]);
});

test("a stream that breaks is resumed from the newest event", async () => {
  const there = await streaming();
  there.request.says(event(1));
  await settled();

  there.request.stream.error(new TypeError("network"));
  await settled();
  there.clock.pass(2000);
  await settled();

  assert.deepEqual([there.requests.length, there.request.param("cursor")], [2, "c1"]);
});

for (const [status, body, retryAfter, state, code] of [
  [401, { code: "unauthenticated" }, "", "stopped", 4501],
  [401, { code: "token_expired" }, "", "stopped", 4401],
  [403, { code: "forbidden" }, "", "stopped", 4505],
  [429, { code: "too_many_connections" }, "7", "waiting", 4430],
  [503, { code: "draining" }, "5", "waiting", 1012],
  [502, "<h1>Bad gateway</h1>", "", "waiting", 1006],
]) {
  test(`a stream refused with ${status} ${body.code ?? ""} means: ${state}`, async () => {
    const there = world({ transports: ["sse"], random: 0 });
    there.client.start();
    await settled();

    await there.request.answers(body, status, retryAfter ? { "Retry-After": retryAfter } : {});
    await settled();

    assert.deepEqual([there.client.state, there.client.status.code], [state, code]);
    if (retryAfter) assert.equal(there.client.status.retryInMs, Number(retryAfter) * 1000);
  });
}

test("a refusal that does not say when to come back means what the table says", async () => {
  const there = world({ transports: ["sse"], random: 0 });
  there.client.start();
  await settled();

  await there.request.answers({ code: "unavailable" }, 503);
  await settled();

  assert.equal(there.client.status.retryInMs, 2000);
});

test("commands go by HTTP where the line carries none: a request, its refusal, an Ack with the CSRF token", async () => {
  const there = await streaming();
  there.document.cookie = "a=b; csrftoken=secret";

  const answer = there.client.request("transactions", { limit: 5 });
  await settled();
  const asked = there.request;
  await asked.answers({ resource: "transactions", result: [1], cursor: "c" });
  const refused = there.client.request("nonsense");
  await settled();
  await there.request.answers({ code: "unknown_resource", message: "no" }, 404);
  there.client.ack("id-1");
  await settled();

  assert.equal(asked.url.search, "?limit=5&resource=transactions");
  assert.deepEqual((await answer).result, [1]);
  await assert.rejects(refused, { code: "unknown_resource" });
  assert.deepEqual([there.request.path, there.request.body], ["events/ack", { message_ids: ["id-1"] }]);
  assert.equal(there.request.headers["X-CSRFToken"], "secret");
});

test("a topic asked for on a stream is tried, and then named on a new one that is opened beside the old", async () => {
  const there = await streaming();
  const old = there.request;

  const subscribed = there.client.subscribe("account:a");
  await settled();
  const trial = there.request;
  await trial.gives();
  const next = there.request;
  const wasOpen = !old.isClosed;
  await next.streams();

  assert.deepEqual([trial.param("topics"), trial.param("auto")], ["account:a", "0"]);
  assert.deepEqual([next.path, next.param("topics"), next.param("cursor")], ["stream", "account:a", "head"]);
  assert.deepEqual([wasOpen, old.isClosed, there.client.state], [true, true, "live"]);
  assert.equal((await subscribed).topic, "account:a");
});

test("where a seq is given but cannot be replayed from, the page fetches its state", async () => {
  const asked = [];
  const there = await streaming({ getSnapshot: (reset) => asked.push(reset.reason) });

  void there.client.subscribe("account:a", { after: 3 });
  await settled();
  await there.request.gives();
  await settled();

  assert.deepEqual(asked, ["trimmed"]);
});

test("a stream comes apart anywhere, between the halves of a line too", () => {
  const taken = [];
  const events = new Events((...one) => taken.push(one));

  for (const character of 'retry: 2000\n\nid: c1\nevent: A\ndata: {"a":\ndata: 1}\n\n: comment\r\n\r\nid: c2\n\n') {
    events.read(character);
  }

  assert.deepEqual(taken, [
    ["", "", ""],
    ["A", '{"a":\n1}', "c1"],
    ["", "", ""],
    ["", "", "c2"],
  ]);
});

// --- polling --------------------------------------------------------------------------------------

test("polling tells events, moves the cursor, and asks again when the server advises", async () => {
  const there = world({ transports: ["polling"], cursor: "page", random: 0.5 });
  const given = collect(there.client);
  there.client.start();
  await settled();

  await there.request.gives([event(1), event(2)], { poll_interval_ms: 3000 });
  there.clock.pass(2999);
  const before = there.requests.length;
  there.clock.pass(1);
  await settled();

  assert.deepEqual([there.requests[0].param("cursor"), there.requests[1].param("cursor")], ["page", "c2"]);
  assert.deepEqual(seqs(given), [1, 2]);
  assert.equal(before, 1);
  assert.equal(there.client.transport, "polling");
});

test("while there is more, polling asks at once", async () => {
  const there = await polling({ cursor: "page" }, [event(1)], { has_more: true, poll_interval_ms: 0 });

  there.clock.pass(0);
  await settled();

  assert.equal(there.request.param("cursor"), "c1");
});

test("a Reset in an answer has the page fetch its state", async () => {
  const asked = [];
  const reset = [{ type: "Reset", data: { reason: "epoch", cursor: "n1", topics: {} } }];
  const there = await polling({ getSnapshot: ({ reason }) => asked.push(reason) }, [], { reset, cursor: "n1" });
  await settled();

  assert.deepEqual(asked, ["epoch"]);
  assert.equal(there.client.cursor, "n1");
});

test("a poll that is answered after the end is the last", async () => {
  const there = await polling({ cursor: "page" }, [event(1)]);
  there.clock.pass(1100);
  await settled();

  there.client.stop();
  await there.request.gives([event(2)]);
  there.clock.pass(60_000);
  await settled();

  assert.equal(there.requests.length, 2);
  assert.equal(there.client.cursor, "c1");
});

test("a poll whose answer has the page stop is the last", async () => {
  const there = world({ transports: ["polling"] });
  there.client.on("TransactionUpdate", () => there.client.stop());
  there.client.start();
  await settled();

  await there.request.gives([event(1)]);
  there.clock.pass(60_000);
  await settled();

  assert.equal(there.requests.length, 1);
});

test("a poll that fails waits like any line that broke, and loses nothing", async () => {
  const there = await polling({ cursor: "page" }, [event(1)]);
  there.clock.pass(1100);
  await settled();

  there.request.fail();
  await settled();
  const { state } = there.client;
  there.clock.pass(2000);
  await settled();

  assert.equal(state, "waiting");
  assert.equal(there.request.param("cursor"), "c1");
});

// --- up and down ----------------------------------------------------------------------------------

/** Let the WebSocket be refused, and the stream too if `alsoStream`. */
async function fallen(alsoStream = false) {
  const there = world({ transports: ALL, cursor: "page" });
  there.client.start();
  there.socket.closes();
  await settled();
  if (alsoStream) {
    await there.request.answers("<h1>no</h1>", 403);
    await there.request.gives();
  } else {
    await there.request.streams();
  }
  return there;
}

test("a proxy that refuses upgrades costs one attempt: the stream is asked for at once, with the same cursor", async () => {
  const there = await fallen();

  assert.deepEqual(told(there), [
    "stopped",
    "connecting websocket",
    "connecting sse",
    "live sse",
  ]);
  assert.equal(there.requests[0].param("cursor"), "page");
});

test("a proxy that refuses streams as well leaves polling", async () => {
  const there = await fallen(true);

  assert.equal(told(there).at(-1), "live polling");
});

test("a stream that never greets, as behind a proxy that buffers, is given up after six seconds", async () => {
  const there = world({ transports: ["sse", "polling"] });
  there.client.start();
  await settled();

  there.clock.pass(6000);
  await settled();

  assert.equal(there.requests[0].isClosed, true);
  assert.equal(there.client.status.transport, "polling");
});

test("a stream that goes silent is held back somewhere: polling takes over at once, from the newest event", async () => {
  const there = world({ transports: ["sse", "polling"] });
  there.client.start();
  await settled();
  await there.request.streams();
  there.request.says(event(1));
  await settled();

  there.clock.pass(60_000);
  await settled();

  assert.deepEqual([there.request.path, there.request.param("cursor")], ["events", "c1"]);
});

test("a better transport is tried beside the line, which stays until the other is live", async () => {
  const there = await fallen();
  const stream = there.requests[0];

  there.clock.pass(10_000);
  const during = [there.client.state, there.client.transport, stream.isClosed];
  there.socket.greets();
  there.socket.says(event(1));

  assert.deepEqual(during, ["live", "sse", false]);
  assert.equal(there.sockets[1].cursor, "page");
  assert.deepEqual([there.client.transport, stream.isClosed, there.client.cursor], ["websocket", true, "c1"]);
  assert.ok(!told(there).includes("waiting"));
});

test("what both lines tell while one takes the other's place is told once", async () => {
  const there = await fallen();
  const given = collect(there.client);
  there.clock.pass(10_000);

  there.requests[0].says(event(1));
  await settled();
  there.socket.greets();
  there.socket.says(event(1, { replayed: true }));
  there.socket.says(event(2));

  assert.deepEqual(seqs(given), [1, 2]);
});

test("a climb that fails is tried again later and later, and disturbs nothing", async () => {
  const there = await fallen();
  const tries = [];

  for (const seconds of [10, 20, 40]) {
    there.clock.pass(seconds * 1000 - 1);
    tries.push(there.sockets.length);
    there.clock.pass(1);
    there.socket.closes();
    there.requests[0].writes("id: page\n\n");
    await settled();
  }

  assert.deepEqual(tries, [1, 2, 3]);
  assert.deepEqual([there.client.state, there.client.transport], ["live", "sse"]);
});

test("a climb that is refused is not told to the page", async () => {
  const there = await fallen();
  const given = collect(there.client, "*");
  there.clock.pass(10_000);

  there.socket.says({ type: "Error", data: { code: "too_many_connections", message: "" } });
  there.socket.closes(4430);

  assert.deepEqual(given, []);
  assert.equal(there.client.transport, "sse");
});

test("when the line breaks during a climb, nothing of the climb is left", async () => {
  const there = await fallen();
  there.clock.pass(10_000);

  there.requests[0].stream.error(new TypeError("network"));
  await settled();

  assert.equal(there.socket.isClosed, true);
  assert.equal(there.client.state, "waiting");
});

test("from polling the climb tries the best first, then the next", async () => {
  const there = await fallen(true);
  there.clock.pass(10_000);
  await settled();
  there.socket.closes();
  await settled();

  const stream = there.requests.findLast(({ path }) => path === "stream");
  await stream.streams();

  assert.equal(there.client.transport, "sse");
});

test("a server that is away is no fall: when it is back, the WebSocket is", async () => {
  const there = world({ transports: ALL });
  there.client.start();
  there.socket.greets();
  for (let attempt = 0; attempt < 8; attempt++) {
    if (there.client.status.transport === "websocket") there.socket.closes();
    await settled();
    while (there.client.state === "connecting" && there.client.transport !== "websocket") {
      there.request.fail();
      await settled();
    }
    there.clock.pass(there.client.status.retryInMs);
  }

  there.socket.greets();

  assert.equal(there.client.transport, "websocket");
  assert.ok(there.requests.length > 0);
});
