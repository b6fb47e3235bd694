/**
 * Requests to the server's HTTP interface, in the name of whoever is signed in.
 *
 * Separate so that the CSRF token, the time limit, and what counts as a failure have one home.
 *
 * @module
 */

import { find } from "./dom.js";

const TIMEOUT_MS = 15_000;

/**
 * What became of a request; `status` is 0 when no answer came.
 *
 * @typedef {{ok: boolean, status: number, data: any}} Answer
 */

/** @param {string} url @returns {Promise<any>} rejected on anything but a whole answer */
export async function getJSON(url) {
  const response = await fetch(url, {
    headers: { Accept: "application/json" },
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
}

/**
 * Send a change. Never rejects: what went wrong is in the answer.
 *
 * @param {"POST" | "PATCH" | "DELETE"} method @param {string} url
 * @param {{body?: unknown, idempotencyKey?: string}} [options]
 * @returns {Promise<Answer>}
 */
export async function send(method, url, { body, idempotencyKey } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "X-CSRFToken": find("[name=csrfmiddlewaretoken]").value };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(url, { method, headers, body: text, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const data = await response.json().catch(() => null);
    return { ok: response.ok, status: response.status, data };
  } catch {
    return { ok: false, status: 0, data: null };
  }
}

/** A key that makes a repeated request harmless; made by hand where the page has no secure context. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
