/**
 * What tells a page in a browser that it woke, said of a mini-program: it is shown again, or the network is back.
 *
 * @module
 */

/** As much of an EventTarget as the client uses. */
class Signals {
  /** @type {Map<string, Set<(event: {type: string}) => void>>} */ #byType = new Map();
  hidden = false;

  /** @param {string} type @param {(event: {type: string}) => void} listener */
  addEventListener(type, listener) {
    this.#byType.set(type, (this.#byType.get(type) ?? new Set()).add(listener));
  }

  /** @param {string} type @param {(event: {type: string}) => void} listener */
  removeEventListener(type, listener) {
    this.#byType.get(type)?.delete(listener);
  }

  /** @param {string} type */
  say(type) {
    for (const listener of [...(this.#byType.get(type) ?? [])]) listener({ type });
  }
}

/** @param {any} wx */
export function wakings(wx) {
  const [window, document] = [new Signals(), new Signals()];
  const isShown = (/** @type {boolean} */ shown) => {
    document.hidden = !shown;
    document.say("visibilitychange");
  };
  wx.onAppShow?.(() => isShown(true));
  wx.onAppHide?.(() => {
    isShown(false);
    window.say("pagehide");
  });
  wx.onNetworkStatusChange?.((/** @type {{isConnected: boolean}} */ { isConnected }) =>
    window.say(isConnected ? "online" : "offline"),
  );
  return { window, document };
}
