/**
 * What goes wrong, in the words of the protocol, and what it means for the line on which it does.
 *
 * @module
 */

/** What browsers report when a line broke without a close frame. */
export const ABNORMAL = 1006;

/** Given to whoever asked; `code` is the protocol's, or `timeout`, `stopped`, `withdrawn`, `too_many_requests`. */
export class RealtimeError extends Error {
  /**
   * @param {string} code @param {string} [message]
   * @param {{retryAfter?: number, close?: number}} [end] seconds to wait, and the close code that a line ends with
   */
  constructor(code, message = code, { retryAfter, close } = {}) {
    super(message);
    this.name = "RealtimeError";
    this.code = code;
    this.retryAfter = retryAfter;
    this.close = close;
  }
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
  const { close = ABNORMAL, retryAfter } = asRealtimeError(error);
  return { code: close, retryAfter };
}
