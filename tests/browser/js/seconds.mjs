/**
 * How many seconds the client takes to fall and to climb, by a clock that does not wait: `node tests/browser/js/seconds.mjs`.
 *
 * Separate from the measurement in a real browser: it says what patience and chance cost alone, a thousand times over.
 */

import { settled, world } from "./world.mjs";

const TIMES = 1000;
const ALL = ["websocket", "sse", "polling"];

/** A page that is live on a WebSocket from which the proxy refuses upgrades, and streams if it is told to. */
async function open(refusesStreams) {
  const there = world({ transports: ALL, environment: { random: Math.random } });
  there.client.start();
  there.socket.greets();
  there.clock.pass(60_000 - 1);
  const began = there.clock.now;
  there.socket.closes();
  for (;;) {
    await settled();
    const { state, transport } = there.client.status;
    if (state === "waiting") there.clock.pass(there.client.status.retryInMs);
    else if (transport === "websocket") there.socket.closes();
    else if (transport === "sse" && refusesStreams) await there.request.answers({}, 403);
    else if (transport === "sse") await there.request.streams();
    else await there.request.gives();
    if (there.client.state === "live") return { there, seconds: (there.clock.now - began) / 1000 };
  }
}

/** From what was fallen to back up, once nothing is refused any more. */
async function climb({ there }) {
  const began = there.clock.now;
  const before = there.sockets.length;
  while (there.sockets.length === before) {
    there.clock.pass(100);
    await settled();
  }
  there.socket.greets();
  return (there.clock.now - began) / 1000;
}

function row(what, found) {
  const sorted = found.sort((a, b) => a - b);
  const at = (part) => sorted[Math.floor(part * (sorted.length - 1))].toFixed(1);
  console.log(`| ${what} | ${at(0.5)} | ${at(0.05)}–${at(0.95)} |`);
}

const [fallen, climbed, polled] = [[], [], []];
for (let time = 0; time < TIMES; time++) {
  const fall = await open(false);
  fallen.push(fall.seconds);
  climbed.push(await climb(fall));
  polled.push((await open(true)).seconds);
}
console.log("| | median, s | 90 % |\n|---|---|---|");
row("a live WebSocket is cut and upgrades are refused from then on: on the stream after", fallen);
row("the same, and streams are refused too: polling after", polled);
row("upgrades are let through again: back on the WebSocket after", climbed);
