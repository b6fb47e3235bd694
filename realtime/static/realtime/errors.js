/**
 * Every way in which the server refuses or ends something, as far as the client acts on it.
 *
 * Generated: `manage.py client_errors > realtime/static/realtime/errors.js`.
 *
 * @module
 */

/** What a refusal in HTTP would have been on a line: close code, seconds to wait. */
/** @type {Record<string, {close: number, retryAfter?: number}>} */
export const ERRORS = {
  bad_json: { close: 4500 },
  bad_message: { close: 4500 },
  unknown_command: { close: 4500 },
  invalid_data: { close: 4500 },
  forbidden: { close: 4505 },
  not_subscribed: { close: 4500 },
  too_many_subscriptions: { close: 4505 },
  rate_limited: { close: 4429, retryAfter: 1 },
  unknown_resource: { close: 4500 },
  not_found: { close: 4505 },
  unauthenticated: { close: 4501 },
  internal: { close: 1011, retryAfter: 5 },
  token_expired: { close: 4401 },
  signed_out: { close: 4503 },
  too_many_connections: { close: 4430, retryAfter: 30 },
  message_too_big: { close: 1009 },
  protocol_violations: { close: 4500 },
  heartbeat_timeout: { close: 4408 },
  too_slow: { close: 4410 },
  draining: { close: 1012, retryAfter: 5 },
  unavailable: { close: 1012, retryAfter: 2 },
};

/** What a close code asks for besides coming back or staying away: seconds to wait, a new sign-in. */
/** @type {Record<number, {retryAfter?: number, signIn?: boolean}>} */
export const CLOSE_CODES = {
  1011: { retryAfter: 5 },
  4401: { signIn: true },
  4429: { retryAfter: 1 },
  4430: { retryAfter: 30 },
  4501: { signIn: true },
  4503: { signIn: true },
};
