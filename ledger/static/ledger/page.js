/**
 * What every signed-in page has: the line to the server, its badge, the credit balance, and notices.
 *
 * Separate from the pages themselves: each of them only adds what it shows and what it does with events.
 *
 * @module
 */

import { RealtimeClient } from "../realtime/client.js";
import { copyOf, fill, find, flash, locale, phrase } from "./dom.js";
import { formatDecimal } from "./money.js";
import { getJSON } from "./server.js";

/** More are not kept: what was not acknowledged comes again. */
const MOST_NOTICES = 50;

/** What the server put into the page: who is signed in, the rows, and the cursor read before them. */
export const page = JSON.parse(find("#page-data").textContent);

/** @type {(page: any) => void} */
let load = () => {};
let creditVersion = -1;

export const client = new RealtimeClient({
  cursor: page.cursor,
  share: page.user.id,
  getSnapshot: async () => {
    const fresh = await getJSON(page.urls.data);
    if (isAnothers(fresh.user.id)) return location.reload();
    creditVersion = -1;
    showCredit(fresh.credit);
    load(fresh);
  },
});

/**
 * Show the page's own part, now and after each snapshot, and begin to listen.
 *
 * @param {(page: any) => void} show
 */
export function open(show) {
  load = show;
  load(page);
  showCredit(page.credit);
  client.on("CreditBalanceUpdate", ({ data }) => data.user_id === page.user.id && showCredit(data));
  client.on("Connected", ({ data }) => isAnothers(data.user_id) && location.reload());
  client.on("Notification", showNotice);
  client.on("MembershipUpdate", ({ data }) => data.user_id === page.user.id && client.refresh());
  // Topics gained or lost while connected: what is on them is not among the rows of this page, or no longer.
  client.on("Subscribed", () => client.refresh());
  client.on("Unsubscribed", () => client.refresh());
  client.watch(showStatus);
  find("#retry").addEventListener("click", () => client.wake());
  client.start();
}

/**
 * Whether somebody else has signed in in this browser meanwhile: nothing more would come that this page is for.
 *
 * @param {string} [userId] absent where the server did not say for whom a line is
 */
function isAnothers(userId = page.user.id) {
  return userId !== page.user.id;
}

/** @param {{balance: string, version: number} | null} credit */
function showCredit(credit) {
  if (!credit || credit.version <= creditVersion) return;
  const isNews = creditVersion >= 0;
  creditVersion = credit.version;
  for (const element of document.querySelectorAll("[data-credit]")) {
    element.textContent = formatDecimal(credit.balance, locale);
    if (isNews) flash(element);
  }
}

let hasBeenLive = false;

/** @param {import("../realtime/client.js").Status} status */
function showStatus({ state, transport, signIn }) {
  hasBeenLive ||= state === "live";
  // Between two attempts the badge does not flicker: for the reader it is one and the same absence.
  const shown = state === "connecting" && hasBeenLive ? "waiting" : state;
  const badge = find("#connection");
  badge.dataset.state = shown;
  badge.dataset.transport = transport;
  fill(badge, "text", phrase(signIn ? "state-signed-out" : `state-${shown}`));
  fill(badge, "way", shown === "live" ? phrase(`transport-${transport}`) : "");
  find("#retry").hidden = shown !== "waiting";
  find("#sign-in-again").hidden = !signIn;
}

/** @param {import("../realtime/client.js").Message} event */
function showNotice({ id, ack, data }) {
  const notices = find("#notices");
  notices.querySelector(`[data-id="${data.notification_id}"]`)?.remove();
  if (data.action === "deleted") return;
  const notice = copyOf("notice");
  notice.dataset.id = data.notification_id;
  notice.dataset.level = data.level;
  fill(notice, "title", data.title);
  fill(notice, "message", data.message);
  const dismiss = find("[data-dismiss]", notice);
  dismiss.setAttribute("aria-label", phrase("dismiss", { title: data.title }));
  dismiss.addEventListener("click", () => {
    // Who dismisses by keyboard goes on with the next one.
    const next = notice.nextElementSibling ?? notice.previousElementSibling;
    notice.remove();
    (next ? find("[data-dismiss]", next) : find("#main")).focus({ preventScroll: true });
    if (ack && id) client.ack(id);
  });
  notices.prepend(notice);
  while (notices.children.length > MOST_NOTICES) notices.lastElementChild.remove();
}
