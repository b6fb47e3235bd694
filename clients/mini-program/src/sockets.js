/**
 * A browser's WebSocket over `wx.connectSocket`, as far as the client uses it.
 *
 * At most five sockets may be open in a mini-program, and one that is given up before it opened cannot be closed yet: it
 * is closed as soon as it has. Which of `onError`, `onClose` and `fail` is called differs; the client hears of one.
 *
 * @module
 */

const ABNORMAL = 1006;
const BEARER = "bearer.";

/** @param {any} wx @returns {any} */
export function socketOf(wx) {
  return class Socket {
    /** @type {((message: {data: string}) => void) | null} */ onmessage = null;
    /** @type {((end: {code: number}) => void) | null} */ onclose = null;
    #isOpen = false;
    #isOver = false;
    #isLeft = false;
    /** @type {any} */ #task;

    /** @param {string} url @param {string[]} [protocols] */
    constructor(url, protocols = []) {
      // Here a header may be set, and not every version hands subprotocols on.
      const bearer = protocols.find((name) => name.startsWith(BEARER));
      const header = bearer ? { Authorization: `Bearer ${bearer.slice(BEARER.length)}` } : {};
      this.#task = wx.connectSocket({ url, header, fail: () => this.#end(ABNORMAL) });
      if (!this.#task) return;
      this.#task.onOpen(() => this.#opened());
      this.#task.onMessage((/** @type {{data: string}} */ { data }) => this.#isLeft || this.onmessage?.({ data }));
      this.#task.onClose((/** @type {{code?: number} | undefined} */ end) => this.#end(end?.code || ABNORMAL));
      this.#task.onError(() => this.#end(ABNORMAL));
    }

    /** @param {string} data */
    send(data) {
      if (this.#isOpen) this.#task.send({ data, fail: () => undefined });
    }

    close() {
      this.#isLeft = true;
      if (this.#isOpen && !this.#isOver) this.#task.close({ code: 1000, fail: () => undefined });
    }

    #opened() {
      this.#isOpen = true;
      if (this.#isLeft) this.close();
    }

    /** @param {number} code */
    #end(code) {
      if (this.#isOver) return;
      this.#isOver = true;
      // Not before whoever made it has said who is to hear of it.
      Promise.resolve().then(() => this.#isLeft || this.onclose?.({ code }));
    }
  };
}
