/**
 * The list of connections: asked for page by page, for those who are connected come and go.
 *
 * @module
 */

import { fillTable, find, given, number, phrase } from "./dom.js";
import { openLine, post } from "./line.js";

/** @typedef {{id: string, user: string, name: string, address: string, transport: string, topics: string[], more_topics: number, since: number, behind: number, process: string}} Seen */

const { urls } = given();
const form = find("#wanted");
const says = find("#says");
const dialog = find("#sure");
/** @type {string[]} where the pages begin that lie between the first and the one shown, which is the last */
let starts = [];
/** @type {string | null} */ let next = null;
let asked = 0;

openLine();
form.addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  fromTheStart();
});
form.addEventListener("change", () => form.requestSubmit());
find("#again").addEventListener("click", ask);
find("#next").addEventListener("click", () => {
  if (next) starts.push(next);
  ask();
});
find("#back").addEventListener("click", () => {
  starts.pop();
  ask();
});
ask();

function fromTheStart() {
  starts = [];
  return ask();
}

/** Ask for the page that begins where the last of `starts` says. */
async function ask() {
  const mine = ++asked;
  const query = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  const after = starts.at(-1);
  if (after) query.set("after", after);
  says.textContent = phrase("asking");
  const answer = await fetch(`${urls.data}?${query}`).catch(() => null);
  const told = await answer?.json().catch(() => null);
  if (mine !== asked) return; // another question overtook this one
  if (!answer?.ok || !told) {
    says.textContent = told?.detail ?? phrase("failed");
    return;
  }
  says.textContent = phrase("found", { total: number(told.total, 0), count: Math.max(told.processes, 1) });
  fillTable(find("#connections"), told.connections.map(row));
  find("#nobody").hidden = told.connections.length > 0;
  next = told.next;
  find("#back").disabled = !starts.length;
  find("#next").disabled = !next;
  document.documentElement.dataset.told = String(told.total);
}

/** @param {Seen} one */
function row(one) {
  const topics = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = phrase("topics", { count: one.topics.length + one.more_topics });
  topics.append(summary, ...one.topics.map(line), ...(one.more_topics ? [line(`+ ${one.more_topics}`)] : []));
  const since = document.createElement("time");
  since.dateTime = new Date(one.since * 1000).toISOString();
  since.textContent = age(Date.now() / 1000 - one.since);
  since.title = new Date(one.since * 1000).toLocaleString();
  const behind = one.behind ? phrase("bytes", { kb: number(one.behind / 1024) }) : "–";
  return [one.name, one.address, phrase(`transport-${one.transport}`), topics, since, behind, one.process, actions(one)];
}

/** @param {string} text */
function line(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

/** @param {number} seconds */
function age(seconds) {
  if (seconds < 90) return phrase("seconds", { s: Math.max(0, Math.round(seconds)) });
  return seconds < 5400 ? phrase("minutes", { min: Math.round(seconds / 60) }) : phrase("hours", { h: Math.round(seconds / 3600) });
}

/** @param {Seen} one */
function actions(one) {
  const box = document.createElement("span");
  box.className = "desk-actions";
  for (const template of find("#actions").content.querySelectorAll("button")) {
    const button = template.cloneNode(true);
    button.addEventListener("click", () => sure(button.dataset.how, one));
    box.append(button);
  }
  return box;
}

/** Ask the person first, then the server. @param {string} how @param {Seen} one */
function sure(how, one) {
  find("[data-what]", dialog).textContent = phrase(`sure-${how}`, { name: one.name, address: one.address });
  dialog.returnValue = "";
  dialog.showModal();
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    const answer = await post(urls.close, { how, user: one.user, connection: how === "connection" ? one.id : "" }).catch(() => null);
    const told = await answer?.json().catch(() => null);
    const done = told?.closed === null ? phrase("signed-out", { name: one.name }) : phrase("closed", { count: told?.closed });
    await fromTheStart();
    says.textContent = answer?.ok ? done : (told?.detail ?? phrase("failed"));
  };
}
