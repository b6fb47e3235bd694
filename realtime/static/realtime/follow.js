/**
 * One thing of the server's, kept in step: asked for once, then by each event that holds a newer version of it.
 *
 * Separate from the client, which knows nothing of what events mean: whoever follows says what they do.
 *
 *     const end = follow(client, { resource: "credit_balance", type: "CreditBalanceUpdate" }, show);
 *
 * @module
 */

/** @typedef {import("./client.js").RealtimeClient} RealtimeClient */
/** @typedef {{version: number, [key: string]: any}} Row */

/**
 * @typedef {object} Followed
 * @property {string} resource what is asked for
 * @property {Record<string, unknown>} [params]
 * @property {string} type of the events that hold a newer version in their data
 * @property {(data: any) => boolean} [isOurs] whether an event is about this one thing; all are by default
 * @property {Row | null} [initial] what the page already holds; it is not shown, nor asked for
 */

/**
 * @param {RealtimeClient} client @param {Followed} what
 * @param {(row: any) => void} show is given each newer version, and whatever there is after a Reset
 * @returns {() => void} ends it
 */
export function follow(client, { resource, params, type, isOurs = () => true, initial = null }, show) {
  let known = initial;
  let isAsking = false;
  let turn = 0;

  /** @param {Row} row */
  function take(row) {
    if (known && known.version >= row.version) return;
    known = row;
    show(row);
  }

  function ask() {
    if (known || isAsking) return;
    const mine = ++turn;
    isAsking = true;
    client.request(resource, params).then(
      ({ result }) => {
        if (mine !== turn) return;
        isAsking = false;
        take(result);
      },
      // Asked again on the next line.
      () => void (isAsking = isAsking && mine !== turn),
    );
  }

  const offs = [
    client.on(type, ({ data }) => isOurs(data) && take(data)),
    client.on("Connected", ask),
    client.on("Reset", () => {
      // Another history counts its versions anew, and an answer that is still to come may be of the old one.
      known = null;
      isAsking = false;
      ask();
    }),
  ];
  if (client.state === "live") ask();
  return () => {
    turn++;
    offs.forEach((off) => off());
  };
}
