/**
 * The line of a page in the admin: on the topic `staff`, shared among the tabs that have one open.
 *
 * @module
 */

import { RealtimeClient } from "../client.js";
import { find, given, phrase } from "./dom.js";

const TOPIC = "staff";

/** Connect, and show in `#desk-line`, where there is one, how that goes. */
export function openLine() {
  const { cursor, user } = given();
  const client = new RealtimeClient({ cursor, topics: [TOPIC], share: `desk-${user}`, logLevel: "error" });
  const badge = document.querySelector("#desk-line");
  client.watch(({ state, transport }) => {
    if (!(badge instanceof HTMLElement)) return;
    badge.dataset.state = state;
    find("[data-text]", badge).textContent = phrase(`state-${state}`);
    find("[data-way]", badge).textContent = state === "live" ? phrase(`transport-${transport}`) : "";
  });
  client.start();
  return client;
}

/** The query that asks the server for something, with the page's CSRF token. @param {string} url @param {Record<string, string>} fields */
export function post(url, fields) {
  const token = find("[name=csrfmiddlewaretoken]").value;
  return fetch(url, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams(fields) });
}
