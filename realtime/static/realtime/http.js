/**
 * Requests to the server's HTTP interface: what SSE and polling are made of, and how they carry commands.
 *
 * Separate so that credentials, refusals and `Retry-After` have one home.
 *
 * @module
 */

import { ERRORS } from "./errors.js";
import { RealtimeError } from "./questions.js";

/** @typedef {import("./environment.js").Environment} Environment */
/** @typedef {import("./messages.js").Command} Command */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {(how: {refresh: boolean}) => string | null | Promise<string | null>} GetToken */

/** What browsers report when a line broke without a close frame. */
export const ABNORMAL = 1006;
const NO_CREDENTIAL = 4501;
const TIMEOUT_MS = 15_000;
// Renewed this long before its time, or a quarter of its life when that is shorter.
export const RENEW_BEFORE_MS = 60_000;

/** The access token: asked for once, kept, and renewed before it expires. */
export class Token {
  /** @type {GetToken | undefined} */ #getToken;
  /** @type {string | null} */ #value = null;
  #renewAt = 0;
  #isSpoilt = false;

  /** @param {GetToken | undefined} getToken @param {Pick<Environment, "now">} environment */
  constructor(getToken, environment) {
    this.#getToken = getToken;
    this.environment = environment;
  }

  /** Whether there are tokens at all; without them the page's session is the credential. */
  get isUsed() {
    return Boolean(this.#getToken);
  }

  /** The next one asked for must be a fresh one. */
  spoil() {
    this.#isSpoilt = true;
  }

  /** @returns {Promise<string | null>} null for none at all; rejected when the page has no token to give */
  async get() {
    const now = this.environment.now();
    if (!this.#getToken || (this.#value && !this.#isSpoilt && now < this.#renewAt)) return this.#value;
    const value = await this.#getToken({ refresh: this.#value !== null });
    if (!value) throw new RealtimeError("unauthenticated");
    const left = expiryOf(value) - now;
    // Never sooner than in ten seconds: this machine's clock may be far ahead of the server's.
    this.#renewAt = now + Math.max(10_000, left - Math.min(RENEW_BEFORE_MS, left / 4));
    this.#value = value;
    this.#isSpoilt = false;
    return value;
  }
}

/** What a token says of its own end, in milliseconds; never, where it says nothing. @param {string} token */
function expiryOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000 || Infinity;
  } catch {
    return Infinity;
  }
}

export class Http {
  /** @type {() => URL} */ #base;

  /**
   * @param {() => URL} base the address below which `events`, `stream` and the others are
   * @param {Token} token @param {Environment} environment
   */
  constructor(base, token, environment) {
    this.#base = base;
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
  return new RealtimeError(code ?? `http_${response.status}`, message, seconds);
}

/** @param {unknown} error @returns {never} */
function rethrow(error) {
  throw asRealtimeError(error);
}

/** @param {unknown} error */
export function asRealtimeError(error) {
  return error instanceof RealtimeError ? error : new RealtimeError("unreachable", String(error));
}

/**
 * What a failed request means for the line it was made for.
 *
 * @param {unknown} error @returns {{code: number, retryAfter: number | undefined}}
 */
export function endOf(error) {
  const { code, retryAfter } = asRealtimeError(error);
  const known = ERRORS[code];
  if (code === "unauthenticated") return { code: NO_CREDENTIAL, retryAfter };
  return { code: known?.close ?? ABNORMAL, retryAfter: retryAfter ?? known?.retryAfter };
}
