/**
 * The members of the families, and who of them is online.
 *
 * Separate from the book: presence is nothing that is kept. It is asked for on every new line, and told as it changes.
 *
 * @module
 */

import { copyOf, fill, find, keepInStep, phrase } from "./dom.js";
import { client, page } from "./page.js";

/** @typedef {{id: string, name: string, role: string}} Member */
/** @typedef {{id: string, name: string, members: Member[]}} Family */

/** How often to ask on a line that carries no ephemeral events. */
const ASK_EVERY_MS = 10_000;

/** Who is online, as family and user. @type {Set<string>} */
const online = new Set();
/** @type {Family[]} */
let families = [];

/** @param {string} familyId @param {string} userId */
const key = (familyId, userId) => `${familyId}/${userId}`;

/** Show the families of the page, now and after each snapshot. @param {Family[]} fresh */
export function showPeople(fresh) {
  const come = fresh.filter(({ id }) => !families.some((family) => family.id === id));
  families = fresh;
  show();
  // Of a family that one comes to on a line no word was given when the line began.
  if (client.state === "live") come.forEach(({ id }) => void ask(id));
}

/** Begin to follow who comes and goes. */
export function openPeople() {
  client.on("PresenceUpdate", ({ data }) => note(data.family_id, data.user_id, data.online));
  client.on("MembershipUpdate", ({ data }) => data.user_id !== page.user.id && client.refresh());
  client.on("Connected", askAll);
  setInterval(() => client.transport === "polling" && askAll(), ASK_EVERY_MS);
}

function askAll() {
  families.forEach(({ id }) => void ask(id));
}

/** @param {string} familyId */
async function ask(familyId) {
  const answer = await client.request("presence", { family_id: familyId }).catch(() => null);
  if (!answer) return;
  for (const known of [...online]) if (known.startsWith(`${familyId}/`)) online.delete(known);
  for (const userId of answer.result.online) online.add(key(familyId, userId));
  show();
}

/** @param {string} familyId @param {string} userId @param {boolean} isOnline */
function note(familyId, userId, isOnline) {
  if (isOnline) online.add(key(familyId, userId));
  else online.delete(key(familyId, userId));
  show();
}

function show() {
  const people = families.flatMap((family) =>
    family.members.map((member) => ({
      id: key(family.id, member.id),
      name: member.id === page.user.id ? phrase("you", { name: member.name }) : member.name,
      role: [phrase(`role-${member.role}`), families.length > 1 ? family.name : ""].filter(Boolean).join(" · "),
      // Who reads this is.
      isOnline: member.id === page.user.id || online.has(key(family.id, member.id)),
    })),
  );
  find("#people-section").hidden = people.length === 0;
  keepInStep(find("#people"), people, {
    make: () => copyOf("person"),
    show: (element, { name, role, isOnline }) => {
      element.dataset.online = String(isOnline);
      fill(element, "name", name);
      fill(element, "role", role);
      fill(element, "presence", phrase(isOnline ? "online" : "offline"));
    },
  });
}
