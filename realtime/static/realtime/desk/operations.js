/**
 * The page of operations: how all processes are doing, as they tell it.
 *
 * @module
 */

import { fillTable, find, number, phrase } from "./dom.js";
import { History } from "./history.js";
import { openLine } from "./line.js";
import { Plot } from "./plots.js";

const POLL_MS = 4000; // for a line that carries no ephemeral events
const SILENT_MS = 10_000;
const MOST_ALERTS = 50;
const PROCESS = "process:";
const WAYS = ["websocket", "sse"];

const history = new History();
let heardAt = 0;

const plots = [
  new Plot("#plot-connections", () => WAYS.map((name) => ({ name, label: phrase(`transport-${name}`) }))),
  new Plot("#plot-processes", (known) =>
    known.named(PROCESS).map((name) => ({ name, label: name.slice(PROCESS.length) })),
  ),
  new Plot("#plot-events", () => [{ name: "events", label: phrase("events") }]),
  new Plot("#plot-deliveries", () => [{ name: "deliveries", label: phrase("deliveries") }]),
  new Plot("#plot-latency", () => [
    { name: "p50", label: "p50" },
    { name: "p99", label: "p99" },
  ]),
  new Plot("#plot-lag", () => [
    { name: "lag", label: phrase("lag") },
    { name: "waiting", label: phrase("waiting") },
  ]),
  new Plot("#plot-errors", () => [
    { name: "errors", label: phrase("errors") },
    { name: "slow", label: phrase("slow") },
  ]),
];

const client = openLine();
client.on("OperationsFigures", ({ data }) => show(data));
client.on("Alert", ({ data, timestamp }) => alert(data, timestamp ?? ""));
client.on("Connected", ask);
setInterval(() => {
  if (client.transport === "polling") ask();
  find("#silent").hidden = !heardAt || Date.now() - heardAt < SILENT_MS;
}, POLL_MS);

function ask() {
  client.request("stats").then(
    ({ result }) => result.operations && show(result.operations),
    () => undefined, // the line is gone, which the badge says
  );
}

/** @param {any} told */
function show(told) {
  heardAt = Date.now();
  const processes = told.processes.map((/** @type {any} */ one) => [PROCESS + one.name, sum(one.clients)]);
  const { events, deliveries, errors, slow, p50, p99, lag, waiting } = told;
  const ways = WAYS.map((way) => [way, told.clients[way] ?? 0]);
  const point = { events, deliveries, errors, slow, p50, p99, lag, waiting, ...Object.fromEntries([...ways, ...processes]) };
  history.add(heardAt / 1000, point);
  for (const plot of plots) plot.show(history);
  tile("connections", number(sum(told.clients)), phrase("on-processes", { count: told.processes.length }));
  tile("events", number(events));
  tile("deliveries", number(deliveries));
  tile("latency", p50 === null ? "–" : phrase("ms", { ms: number(p50) }), p99 === null ? "" : phrase("p99", { ms: number(p99) }));
  tile("head", number(told.head, 0), phrase("behind", { count: number(lag, 0) }));
  tile("waiting", waiting === null ? "–" : phrase("seconds", { s: number(waiting) }));
  tile("errors", number(errors, 2));
  tile("slow", number(slow, 0));
  fillTable(find("#processes"), told.processes.map(row));
  fillTable(
    find("#topics"),
    told.topics.map((/** @type {any} */ one) => [mono(one.topic), number(one.clients, 0), number(one.deliveries)]),
  );
  document.documentElement.dataset.told = String(history.times.length);
}

/** @param {any} one */
function row(one) {
  const [p50, p99] = [one.p50, one.p99].map((ms) => (ms === null ? "–" : number(ms)));
  const { websocket = 0, sse = 0 } = one.clients;
  return [mono(one.name), number(websocket), number(sse), number(one.events), number(one.deliveries), `${p50} / ${p99}`, number(one.lag, 0), number(one.errors, 2), number(one.slow, 0)];
}

/** @param {string} name @param {string} value @param {string} [hint] */
function tile(name, value, hint) {
  const box = find(`#tile-${name}`);
  find("output", box).textContent = value;
  if (hint !== undefined) find("small", box).textContent = hint;
}

/** Show an alert on top of those that came before. @param {any} told @param {string} at */
function alert(told, at) {
  const { kind, severity } = told;
  const list = find("#alerts");
  for (const old of list.querySelectorAll(`[data-kind="${CSS.escape(kind)}"]`)) old.dataset.severity = "over";
  const item = document.createElement("li");
  Object.assign(item.dataset, { kind, severity });
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = new Date(at).toLocaleTimeString(document.documentElement.lang || "en", { hour12: false });
  const text = document.createElement("span");
  text.textContent = sentence(told);
  const name = document.createElement("strong");
  name.textContent = kind;
  item.append(time, name, text);
  list.prepend(item);
  while (list.children.length > MOST_ALERTS) list.lastElementChild.remove();
  find("#no-alerts").hidden = true;
}

/** What an alert says, in the page's language; of a kind that the page does not know as it was told. @param {any} told */
function sentence({ kind, severity, message, metrics: { process, value } }) {
  const name = `alert-${severity !== "info" ? kind : process ? "over" : "gone"}`;
  const words = phrase(name, { kind, value: Math.round(value) });
  return words === name ? message : words;
}

/** @param {Record<string, number>} parts */
function sum(parts) {
  return Object.values(parts).reduce((all, one) => all + one, 0);
}

/** @param {string} text */
function mono(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

// The admin's button for light and dark sets a mark on the document; the system may change by itself.
for (const change of [matchMedia("(prefers-color-scheme: dark)")]) change.addEventListener("change", repaint);
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });

function repaint() {
  for (const plot of plots) plot.forget();
  if (history.times.length) for (const plot of plots) plot.show(history);
}
