/**
 * A handler that is told of each row only what is newer than what it knows.
 *
 * Separate from the client, which knows nothing of what events mean: whoever keeps rows says which of an event's keys
 * names its row. An event that was read before a snapshot, or comes a second time, then changes nothing.
 *
 *     const show = newest("user_id", ({ data }) => showBalance(data.balance));
 *     for (const type of ["CreditBalanceUpdate", "Reset"]) client.on(type, show);
 *
 * It is given each `Reset`, too: another history counts its versions anew, and would else be told no more.
 *
 * @module
 */

/** @typedef {import("./messages.js").Message} Message */

const REMEMBERED_ROWS = 10_000;

/**
 * What has no `version` is passed on as it is. Beyond 10,000 rows, the one that changed longest ago is forgotten.
 *
 * @param {string} key of the event's data: names the row, as `user_id`
 * @param {(message: Message) => unknown} handler
 * @param {Iterable<[string, number]>} [known] rows and the versions that the page already holds
 * @returns {(message: Message) => unknown}
 */
export function newest(key, handler, known = []) {
  const versions = new Map(known);
  return (message) => {
    if (message.type === "Reset") return versions.clear();
    const { [key]: row, version } = message.data ?? {};
    if (version === undefined) return handler(message);
    if (version <= (versions.get(row) ?? -1)) return undefined;
    versions.delete(row); // so that it is the youngest again
    versions.set(row, version);
    for (const oldest of versions.keys()) {
      if (versions.size <= REMEMBERED_ROWS) break;
      versions.delete(oldest);
    }
    return handler(message);
  };
}
