/**
 * A browser's `fetch` over `wx.request`, as far as the client uses it.
 *
 * A mini-program may have ten requests under way; the client takes no more than five, so that the rest is the program's.
 *
 * @module
 */

const MOST_UNDER_WAY = 5;

/** @param {any} wx @returns {(url: string, init?: any) => Promise<any>} */
export function requests(wx) {
  /** @type {(() => void)[]} */
  const waiting = [];
  let underWay = 0;

  function next() {
    if (underWay >= MOST_UNDER_WAY) return;
    const start = waiting.shift();
    if (!start) return;
    underWay++;
    start();
  }

  return (url, { method = "GET", headers = {}, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      waiting.push(() =>
        wx.request({
          url,
          method,
          header: headers,
          data: body,
          timeout: signal?.timeoutMs,
          dataType: "text", // else what is no JSON comes as it is, and what is comes parsed
          success: (/** @type {any} */ answer) => resolve(responseOf(answer)),
          fail: (/** @type {{errMsg: string}} */ { errMsg }) => reject(new Error(errMsg)),
          complete: () => {
            underWay--;
            next();
          },
        }),
      );
      next();
    });
}

/** @param {{statusCode: number, data: string, header: Record<string, string>}} answer */
function responseOf({ statusCode, data, header }) {
  const headers = new Map(Object.entries(header ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    ok: statusCode >= 200 && statusCode < 300,
    status: statusCode,
    headers: { get: (/** @type {string} */ name) => headers.get(name.toLowerCase()) ?? null },
    json: async () => JSON.parse(data),
  };
}
