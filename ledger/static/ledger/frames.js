/**
 * The table of what travels over a line, newest first, each with how long it took.
 *
 * @module
 */

import { copyOf, fill, find, locale, phrase } from "./dom.js";

const MOST_FRAMES = 200;
const LONGEST_SUMMARY = 120;

const clock = new Intl.DateTimeFormat(locale, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

/** When each command that wants a reply went out, by its id. @type {Map<string, number>} */
const sent = new Map();

/** @param {"in" | "out"} way @param {any} message @param {string} transport */
export function showFrame(way, message, transport) {
  const latency = latencyOf(way, message);
  if (find("#pause").checked) return;
  const row = copyOf("frame");
  row.dataset.way = way;
  fill(row, "time", clock.format(new Date()));
  fill(row, "way", phrase(way));
  fill(row, "by", transport);
  fill(row, "type", message.type ?? message.command);
  fill(row, "latency", latency === null ? "" : phrase("ms", { ms: latency }));
  fill(row, "summary", JSON.stringify(message).slice(0, LONGEST_SUMMARY));
  fill(row, "json", JSON.stringify(message, null, 2));
  const frames = find("#frames");
  frames.prepend(row);
  while (frames.children.length > MOST_FRAMES) frames.lastElementChild.remove();
}

export function clearFrames() {
  find("#frames").replaceChildren();
}

/** @param {"in" | "out"} way @param {any} message @returns {number | null} milliseconds */
function latencyOf(way, { id, reply_to, topic, timestamp, replayed }) {
  if (way === "out") {
    if (id) sent.set(String(id), performance.now());
    return null;
  }
  const since = sent.get(String(reply_to));
  if (since !== undefined) {
    sent.delete(String(reply_to));
    return Math.round(performance.now() - since);
  }
  return topic && timestamp && !replayed ? Date.now() - Date.parse(timestamp) : null;
}
