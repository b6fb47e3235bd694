/**
 * Tabs of one origin on one connection: one of them holds it, the others are told by it, and take over when it closes.
 *
 * Separate because to the others it is one more transport, the best of all: it costs the server nothing. Who holds is
 * decided by the browser's own lock, so it cannot be two, and it passes on by itself however a tab ends.
 *
 * A tab that joins listens first and then asks the server, once, for what came after its own cursor: what the holder
 * said before that is in the answer, and what it says later is heard.
 *
 * @module
 */

import { ABNORMAL } from "./failures.js";
import { Http } from "./http.js";
import { isReply } from "./messages.js";
import { ask, greeting } from "./polling.js";

/** @typedef {import("./attempt.js").Line} Line */
/** @typedef {import("./attempt.js").Listener} Listener */
/** @typedef {import("./attempt.js").Surroundings} Surroundings */
/** @typedef {import("./environment.js").Environment} Environment */
/** @typedef {import("./messages.js").Message} Message */
/** @typedef {{kind: "state", live: boolean, code: number, from: string}} State */
/** @typedef {{kind: "hello"} | State | {kind: "said", message: Message}} Note */

const HOLDER_AWAY = 4000;
const LEAST_FINAL = 4500;
const MOST_BUFFERED = 10_000;

/** @param {Listener} listener @param {Surroundings} surroundings */
export function open(listener, surroundings) {
  return surroundings.tabsOf(Tabs).open(listener, surroundings);
}

export class Tabs {
  /** @type {string} */ #name;
  /** @type {Environment} */ #environment;
  /** @type {() => void} */ #took;
  /** @type {() => void} */ #holderIsLive;
  /** @type {BroadcastChannel | null} */ #channel = null;
  /** @type {((note: Note) => void) | null} the line of a tab that holds none of its own */ #line = null;
  /** @type {AbortController} */ #leaving = new AbortController();
  #isHolder = false;
  #isLive = false;
  #code = 0;
  #me = "";

  /**
   * @param {string} name tabs of the same name share
   * @param {{took: () => void, holderIsLive: () => void}} told `took`: this tab holds from now on
   * @param {Environment} environment
   */
  constructor(name, { took, holderIsLive }, environment) {
    this.#name = `realtime:${name}`;
    this.#environment = environment;
    this.#took = took;
    this.#holderIsLive = holderIsLive;
  }

  leave() {
    this.#leaving.abort();
    this.#channel?.close();
    this.#channel = null;
    this.#isHolder = false;
  }

  /** Tell the others what came, unless it answers this tab alone. @param {Message} message */
  say(message) {
    if (!this.#isHolder || isReply(message) || message.type === "Connected") return;
    this.#post({ kind: "said", message });
  }

  /** Tell the others how this tab's line is. @param {boolean} live @param {number} code */
  show(live, code) {
    const isNews = live !== this.#isLive || code !== this.#code;
    [this.#isLive, this.#code] = [live, code];
    if (isNews) this.#showState();
  }

  /**
   * The line of a tab that holds none of its own. Until the browser has said who holds, it asks the others; nobody
   * answers the first.
   *
   * @param {Listener} listener @param {Surroundings} surroundings @returns {Line}
   */
  open(listener, surroundings) {
    if (!this.#channel) this.#join();
    const { topics, cursor } = surroundings;
    const http = new Http(surroundings);
    /** @type {Message[] | null} what is said while this tab still catches up */
    let buffer = [];
    let holder = "";
    let isGreeted = false;
    let turn = 0;

    async function catchUp() {
      const mine = ++turn;
      buffer ??= [];
      for (let place = cursor(), hasMore = true; hasMore; ) {
        const answer = await ask(http, topics(), place);
        if (mine !== turn) return;
        if (!isGreeted) listener.heard(greeting(answer.cursor));
        isGreeted = true;
        answer.messages.forEach(listener.heard);
        ({ cursor: place, hasMore } = answer);
      }
      const said = buffer;
      buffer = null;
      said?.forEach(listener.heard);
    }

    this.#line = (note) => {
      if (note.kind === "said") {
        if (!buffer) listener.heard(note.message);
        else if (buffer.push(note.message) > MOST_BUFFERED) listener.closed(ABNORMAL);
      } else if (note.kind === "state" && !note.live) {
        // Who has just taken over is about to connect: that alone is no reason to give up.
        if (holder && note.from !== holder && !note.code) return;
        listener.closed(note.code >= LEAST_FINAL ? note.code : HOLDER_AWAY);
      } else if (note.kind === "state" && note.from === holder) {
        listener.heard({ type: "Pong" });
      } else if (note.kind === "state") {
        // Between two holders something may have gone unsaid.
        holder = note.from;
        catchUp().catch(listener.failed);
      }
    };
    this.#post({ kind: "hello" });
    return {
      send: (command) => void http.command(command, listener.heard, cursor),
      probe: () => this.#post({ kind: "hello" }),
      isBlockedWhenSilent: true,
      close: () => {
        turn++;
        this.#line = null;
      },
    };
  }

  /** Stand in line for the connection. Where browsers cannot share one, each tab holds its own. */
  #join() {
    const { locks, BroadcastChannel } = this.#environment;
    if (!locks || !BroadcastChannel) return this.#took();
    this.#me = crypto.randomUUID();
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const queued = locks.request(this.#name, { signal }, () => this.#hold(signal));
    queued.catch(() => undefined); // left before its turn came
  }

  /** @param {AbortSignal} signal @returns {Promise<void>} that lasts as long as the lock */
  #hold(signal) {
    this.#isHolder = true;
    this.#took();
    if (this.#isLive) this.#showState();
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
  }

  /** @param {Note} note */
  #hear(note) {
    if (this.#isHolder) {
      if (note.kind === "hello") this.#showState();
      return;
    }
    if (this.#line) this.#line(note);
    else if (note.kind === "state" && note.live) this.#holderIsLive();
  }

  #showState() {
    if (this.#isHolder) this.#post({ kind: "state", live: this.#isLive, code: this.#code, from: this.#me });
  }

  /** @param {Note} note */
  #post(note) {
    this.#channel?.postMessage(note);
  }
}
