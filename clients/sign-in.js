/**
 * What both examples share: signing in by REST, and a client whose token is renewed when it asks for a fresh one.
 *
 * @module
 */

import { RealtimeClient } from "@realtime-ledger/client";

/** @param {string} path @param {unknown} body */
async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 401) throw new Error("That is no name and password of a user here.");
  if (!answer.ok) throw new Error(`The server cannot sign you in now (${answer.status}): try again.`);
  return answer.json();
}

/**
 * @param {string} username @param {string} password
 * @returns {Promise<{userId: string, client: RealtimeClient}>} rejected with what to tell the user
 */
export async function signIn(username, password) {
  let tokens = await post("auth/token", { username, password });
  const headers = { Authorization: `Bearer ${tokens.access}` };
  const me = await (await fetch("/api/v1/me", { headers })).json();
  const client = new RealtimeClient({
    getToken: async ({ refresh }) => {
      if (refresh) tokens = { ...tokens, ...(await post("auth/refresh", { refresh: tokens.refresh })) };
      return tokens.access;
    },
  });
  return { userId: me.id, client };
}
