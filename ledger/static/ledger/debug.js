/**
 * The debug page: a client of its own, seen from the outside.
 *
 * Separate from the pages people use: it shows what they hide, and does to the line what only tests should.
 *
 * @module
 */

import { RealtimeClient } from "../realtime/client.js";
import { copyOf, fill, find, keepInStep, phrase } from "./dom.js";
import { clearFrames, showFrame } from "./frames.js";
import { open, page } from "./page.js";
import { send } from "./server.js";

/** @typedef {import("../realtime/client.js").Status} Status */

const ALL = ["websocket", "sse", "polling"];

/** @type {Map<string, number | string>} */
const topics = new Map();
let client = connectBy(ALL, page.cursor);

open(() => undefined);

/** @param {string[]} transports @param {string | undefined} cursor */
function connectBy(transports, cursor) {
  const client = new RealtimeClient({ transports, cursor, trace: take, logLevel: "error" });
  client.watch(showStatus);
  client.start();
  return client;
}

/** @param {Status} status */
function showStatus({ state, transport, code, retryInMs }) {
  const line = find("#line");
  fill(line, "state", state);
  fill(line, "transport", transport);
  fill(line, "code", code ? String(code) : "");
  fill(line, "retry", retryInMs ? phrase("ms", { ms: Math.round(retryInMs) }) : "");
  find("#connect").disabled = state !== "stopped";
  find("#disconnect").disabled = find("#cut").disabled = state === "stopped";
}

/** @param {"in" | "out"} way @param {any} message @param {string} transport */
function take(way, message, transport) {
  showFrame(way, message, transport);
  if (way === "in") noteTopic(message);
  // Only once the client has taken the message in is its cursor the new one.
  queueMicrotask(() => fill(find("#line"), "cursor", client.cursor ?? ""));
}

/** @param {any} message */
function noteTopic({ type, topic, seq, data }) {
  if (type === "Connected") {
    fill(find("#line"), "connection", data.connection_id ?? "");
    for (const [name, newest] of Object.entries(data.topics)) topics.set(name, newest);
  } else if (type === "Subscribed") topics.set(data.topic, data.seq ?? "");
  else if (type === "Unsubscribed") topics.delete(data.topic);
  else if (seq !== undefined) topics.set(topic, seq);
  else return;
  const rows = [...topics].sort().map(([id, newest]) => ({ id, newest: String(newest) }));
  keepInStep(find("#topics"), rows, {
    make: () => copyOf("topic-row"),
    show: (row, { id, newest }) => {
      fill(row, "topic", id);
      fill(row, "seq", newest);
    },
  });
}

find("#connect").addEventListener("click", () => client.start());
find("#disconnect").addEventListener("click", () => client.stop());
find("#cut").addEventListener("click", () => client.cut());
find("#clear").addEventListener("click", clearFrames);

find("#transport").addEventListener("change", (/** @type {Event} */ { target }) => {
  const { value } = /** @type {HTMLInputElement} */ (target);
  const { cursor } = client;
  client.stop();
  topics.clear();
  client = connectBy(value ? [value] : ALL, cursor);
});

/**
 * Have a form do something, and nothing else.
 *
 * @param {string} id @param {(entered: Record<string, string>) => void} action is given the fields by name
 */
function onSubmit(id, action) {
  const form = /** @type {HTMLFormElement | null} */ (document.getElementById(id));
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    action(/** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form))));
  });
}

onSubmit("subscribe", async ({ topic }) => {
  const status = find("#subscribed");
  try {
    await client.subscribe(topic.trim());
    status.textContent = phrase("subscribed");
  } catch (error) {
    status.textContent = String(error);
  }
});

onSubmit("command", ({ raw }) => {
  find("#raw-error").textContent = client.state === "live" ? "" : phrase("not-live");
  try {
    const command = JSON.parse(raw);
    if (typeof command !== "object" || command === null) throw new TypeError();
    client.send(command);
  } catch {
    find("#raw-error").textContent = phrase("not-json");
  }
});

onSubmit("credit", async (body) => {
  const answer = await send("POST", page.urls.credit, { body });
  const { detail, balance } = answer.data ?? {};
  const failed = detail ?? phrase("failed", { status: answer.status });
  find("#credit-status").textContent = answer.ok ? phrase("changed", { balance }) : failed;
});
