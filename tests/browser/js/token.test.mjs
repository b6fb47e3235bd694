/** Tokens: handed over on each transport, renewed before they expire, asked for anew when they have. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { settled, world } from "./world.mjs";

const SERVER_NOW = "2026-01-02T03:04:05.000Z";
const IN_FIVE_MINUTES = "2026-01-02T03:09:05.000Z";

/** A page that gives `token-1`, `token-2` … and notes how it was asked. */
function tokens() {
  const asked = [];
  return { asked, getToken: async ({ refresh }) => `token-${asked.push(refresh)}` };
}

/** A client on a WebSocket whose token is good for five more minutes, by the server's own clock. */
async function signedIn(options) {
  const there = world(options);
  there.client.start();
  await settled();
  there.socket.greets({ timestamp: SERVER_NOW, expires_at: IN_FIVE_MINUTES });
  return there;
}

test("a WebSocket is given the token as a subprotocol, never in its address", async () => {
  const there = await signedIn(tokens());

  assert.deepEqual(there.socket.protocols, ["realtime.v1", "bearer.token-1"]);
  assert.ok(!there.socket.url.href.includes("token"));
});

test("requests carry it in a header, and no cookie to another origin", async () => {
  const there = world({ ...tokens(), transports: ["polling"] });

  there.client.start();
  await settled();

  assert.equal(there.request.headers.Authorization, "Bearer token-1");
});

test("a minute before its end a WebSocket is handed a fresh one, and stays", async () => {
  const there = await signedIn(tokens());

  there.clock.pass(239_999 - 180_000); // in steps, as the server pings
  for (let step = 0; step < 3; step++) {
    there.socket.says({ type: "Ping", cursor: "head" });
    there.clock.pass(60_000 - 1);
  }
  await settled();
  const before = there.socket.commands("Authenticate").length;
  there.socket.says({ type: "Ping", cursor: "head" });
  there.clock.pass(10);
  await settled();

  assert.equal(before, 0);
  assert.deepEqual(there.socket.commands("Authenticate")[0].data, { token: "token-2" });
  assert.equal(there.sockets.length, 1);
});

test("after the answer the next renewal is planned by it", async () => {
  const there = await signedIn({ ...tokens() });
  for (let step = 0; step < 5; step++) {
    there.clock.pass(50_000);
    there.socket.says({ type: "Ping", cursor: "head" });
    await settled();
  }
  const [{ id }] = there.socket.commands("Authenticate");
  there.socket.says({ type: "Authenticated", reply_to: id, data: { expires_at: "2026-01-02T03:13:05.000Z" } });

  for (let step = 0; step < 5; step++) {
    there.clock.pass(50_000);
    there.socket.says({ type: "Ping", cursor: "head" });
    await settled();
  }

  assert.deepEqual(
    there.socket.commands("Authenticate").map(({ data }) => data.token),
    ["token-2", "token-3"],
  );
});

test("a stream is exchanged for another before its token ends", async () => {
  const there = world({ ...tokens(), transports: ["sse"] });
  there.client.start();
  await settled();
  await there.request.streams({ timestamp: SERVER_NOW, expires_at: IN_FIVE_MINUTES });
  const old = there.request;

  for (let step = 0; step < 5; step++) {
    there.clock.pass(48_000);
    old.writes("id: head\n\n");
    await settled();
  }
  await there.request.streams({ timestamp: SERVER_NOW });

  assert.equal(there.request.headers.Authorization, "Bearer token-2");
  assert.equal(old.isClosed, true);
  assert.ok(!there.statuses.some(({ state }) => state === "waiting"));
});

test("a line that was closed for its token comes back with a fresh one", async () => {
  const { asked, getToken } = tokens();
  const there = await signedIn({ getToken });

  there.socket.closes(4401);
  there.clock.pass(2000);
  await settled();

  assert.deepEqual(asked, [false, true]);
  assert.deepEqual(there.socket.protocols, ["realtime.v1", "bearer.token-2"]);
});

test("what polls takes a fresh token by what the token itself says of its end", async () => {
  const { asked } = tokens();
  const clock = { now: 0 };
  const jwt = (number) => {
    const payload = btoa(JSON.stringify({ exp: (clock.now + 300_000) / 1000, number }));
    return `head.${payload}.signature`;
  };
  const there = world({ transports: ["polling"], getToken: ({ refresh }) => jwt(asked.push(refresh)) });
  clock.now = there.clock.now;
  there.client.start();
  await settled();

  for (let step = 0; step < 26; step++) {
    await there.request.gives([], { poll_interval_ms: 10_000 / 1.1 });
    there.clock.pass(10_000);
    await settled();
  }

  assert.deepEqual(asked, [false, true]);
  assert.equal(there.client.state, "live");
});

test("a page that has no token to give is signed out", async () => {
  const there = world({ getToken: () => null });

  there.client.start();
  await settled();

  assert.deepEqual([there.client.state, there.client.status.signIn], ["stopped", true]);
});

test("a token that could not be fetched is tried for again", async () => {
  let attempts = 0;
  const getToken = () => (++attempts === 1 ? Promise.reject(new Error("network")) : "token");
  const there = world({ getToken });
  there.client.start();
  await settled();
  const { state } = there.client;

  there.clock.pass(2000);
  await settled();

  assert.equal(state, "waiting");
  assert.deepEqual(there.socket.protocols, ["realtime.v1", "bearer.token"]);
});
