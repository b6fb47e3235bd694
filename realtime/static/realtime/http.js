/**
 * Requests to the server's HTTP interface: what SSE and polling are made of, and how they carry commands.
 *
 * Separate so that credentials, refusals and `Retry-After` have one home.
 *
 * @module
 */

import { ERRORS } from "./errors.js";
import { asRealtimeError, RealtimeError } from "./failures.js";

/** @typedef {import("./messages.js").Command} Command */
/** @typedef {import("./messages.js").Message} Message */

const TIMEOUT_MS = 15_000;

export class Http {
  /** @type {() => URL} */ #base;

  /** @param {import("./attempt.js").Surroundings} surroundings */
  constructor({ apiUrl, token, environment }) {
    this.#base = apiUrl;
    this.token = token;
    this.environment = environment;
  }

  /**
   * @param {string} path @param {Record<string, unknown>} [params] @param {AbortSignal} [signal]
   * @returns {Promise<any>} the JSON of the answer; rejected with a RealtimeError
   */
  async get(path, params, signal) {
    const body = async () => (await this.open(path, params, signal)).json();
    return body().catch(rethrow);
  }

  /**
   * @param {string} path @param {Record<string, unknown>} [params] @param {AbortSignal} [signal]
   * @returns {Promise<Response>} of a request that was granted; rejected with a RealtimeError
   */
  async open(path, params = {}, signal = AbortSignal.timeout(TIMEOUT_MS)) {
    const url = new URL(path, this.#base());
    for (const [name, value] of Object.entries(params)) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
    }
    return this.#send(url, { signal, headers: { Accept: "*/*" } });
  }

  /** @param {string} path @param {unknown} body */
  async post(path, body) {
    const { document } = this.environment;
    const field = /** @type {HTMLInputElement | null | undefined} */ (
      document?.querySelector?.("[name=csrfmiddlewaretoken]")
    );
    const csrf = field?.value ?? document?.cookie?.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrf };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return this.#send(new URL(path, this.#base()), { method: "POST", body: JSON.stringify(body), headers, signal });
  }

  /** @param {URL} url @param {RequestInit} init */
  async #send(url, init) {
    const token = await this.token.get();
    const headers = { ...init.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const credentials = this.token.isUsed ? "same-origin" : "include";
    const asked = this.environment.fetch(url.href, { ...init, headers, credentials, cache: "no-store" });
    const response = await asked.catch(rethrow);
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  /**
   * Do over HTTP what a WebSocket does with a command, and say the server's words to `heard`.
   *
   * @param {Command} command @param {(message: Message) => void} heard @param {() => string | undefined} cursor
   */
  async command({ command, data = {}, id }, heard, cursor) {
    try {
      if (command === "Ack") await this.post("events/ack", { message_ids: [data.message_id] });
      else if (command === "Request") heard({ type: "Response", reply_to: id, data: await this.#request(data) });
      else if (command === "Subscribe") await this.#subscribe(data, id, heard, cursor);
    } catch (error) {
      const { code, message } = asRealtimeError(error);
      heard({ type: "Error", reply_to: id, data: { code, message } });
    }
  }

  /** @param {Record<string, any>} data */
  #request({ resource, params }) {
    return this.get("snapshot", { ...params, resource });
  }

  /**
   * Find out whether the topic is granted; the line itself names it from then on.
   *
   * @param {Record<string, any>} data @param {string | undefined} id @param {(message: Message) => void} heard
   * @param {() => string | undefined} cursor
   */
  async #subscribe({ topic, after }, id, heard, cursor) {
    await this.get("events", { topics: topic, auto: 0 });
    // Only a WebSocket can replay one topic from a seq: here a snapshot takes the place of what is missed.
    if (after !== undefined) heard({ type: "Reset", data: { reason: "trimmed", cursor: cursor() } });
    heard({ type: "Subscribed", reply_to: id, data: { topic, replayed: 0 } });
  }
}

/** @param {Response} response */
async function refusalOf(response) {
  const { code, message } = await response.json().catch(() => ({}));
  const wait = response.headers.get("Retry-After");
  const seconds = wait ? Number(wait) || Math.max(0, (Date.parse(wait) - Date.now()) / 1000) || 0 : undefined;
  const { close, retryAfter } = ERRORS[code] ?? {};
  return new RealtimeError(code ?? `http_${response.status}`, message, { retryAfter: seconds ?? retryAfter, close });
}

/** @param {unknown} error @returns {never} */
function rethrow(error) {
  throw asRealtimeError(error);
}
