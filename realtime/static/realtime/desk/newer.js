/**
 * A list in the admin that says when it is no longer the newest, and leaves it to the reader to look again.
 *
 * It hears that rows of its model changed, then asks how many of them this list, with its filter, would show.
 *
 * @module
 */

import { find, given, phrase } from "./dom.js";
import { openLine } from "./line.js";

const POLL_MS = 10_000; // for a line that carries no ephemeral events
const GATHER_MS = 300;

const { model, urls, cursor, shown = [] } = given();
const badge = find("#newer");
const client = openLine();
let timer = 0;
let done = false;

client.on("RowsChanged", ({ data }) => data.changes[model] && look());
client.on("Connected", look);
client.on("Reset", look);
document.addEventListener("visibilitychange", () => !document.hidden && look());
setInterval(() => client.transport === "polling" && look(), POLL_MS);
badge.addEventListener("click", () => location.reload());

/** Ask soon; one question for all that is heard until then, and none while nobody looks. */
function look() {
  if (timer || done || document.hidden) return;
  timer = window.setTimeout(async () => {
    await ask();
    timer = 0;
  }, GATHER_MS * (1 + Math.random()));
}

async function ask() {
  const query = new URLSearchParams(location.search);
  query.set("_behind", cursor);
  query.set("_shown", shown.join());
  const answer = await fetch(`${urls.newer}?${query}`).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!told) return; // the next change asks again
  const words = told.many ? phrase("newer-many") : phrase(told.count === 1 ? "newer-one" : "newer", { count: told.count });
  done = told.many; // it cannot become more
  badge.hidden = !told.many && !told.count;
  if (!badge.hidden && badge.textContent !== words) badge.textContent = words;
}
