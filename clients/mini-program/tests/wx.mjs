/**
 * A mini-program's surroundings: `wx` with its documented limits, a clock that the test moves, and nothing of a browser.
 *
 * At most five sockets at once; a sixth fails. Sending on a socket that is not open fails, closing one does nothing. In
 * the background timers stand still, and after five seconds the sockets are closed. Ten requests at most are under way.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import vm from "node:vm";

const BUNDLE = createRequire(import.meta.url).resolve("@realtime-ledger/mini-program");
const MOST_SOCKETS = 5;
const MOST_REQUESTS = 10;
const BACKGROUND_MS = 5000;

class FakeTask {
  sent = [];
  state = "connecting";
  #on = {};

  constructor(wx, { url, header = {} }) {
    this.wx = wx;
    this.url = new URL(url);
    this.header = header;
    for (const name of ["Open", "Message", "Close", "Error"]) this[`on${name}`] = (call) => (this.#on[name] = call);
  }

  send({ data, fail }) {
    if (this.state !== "open") return fail?.({ errMsg: "sendSocketMessage:fail WebSocket is not connected" });
    this.sent.push(JSON.parse(data));
  }

  close({ fail } = {}) {
    if (this.state !== "open") return fail?.({ errMsg: "closeSocket:fail WebSocket is not connected" });
    this.ends(1000);
  }

  /** The server lets it in and greets. */
  greets({ cursor = "head", timeout = 60 } = {}) {
    this.opens();
    this.says({ type: "Connected", data: { cursor, topics: {}, heartbeat: { interval: 30, timeout } } });
  }

  opens() {
    this.state = "open";
    this.#on.Open?.({ header: {} });
  }

  says(message) {
    if (this.state === "open") this.#on.Message?.({ data: JSON.stringify(message) });
  }

  ends(code) {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#on.Close?.({ code, reason: "" });
  }

  /** It cannot be opened: some versions then say both. */
  breaks() {
    this.state = "closed";
    this.#on.Error?.({ errMsg: "connectSocket:fail" });
    this.#on.Close?.({ code: 1006, reason: "abnormal closure" });
  }

  commands(name) {
    return this.sent.filter(({ command }) => command === name);
  }
}

/** Load the bundle where there is only what a mini-program has, and give its exports with the world around it. */
export function miniProgram() {
  let now = 1_000_000;
  let isHidden = false;
  const timers = new Map();
  const calls = { AppShow: [], AppHide: [], NetworkStatusChange: [] };
  const stored = new Map();
  const world = { tasks: [], requests: [], refused: 0, stored, mostUnderWay: 0 };
  const open = () => world.tasks.filter(({ state }) => state !== "closed");
  const underWay = () => world.requests.filter(({ isOver }) => !isOver).length;

  world.wx = {
    connectSocket(options) {
      if (open().length >= MOST_SOCKETS) {
        world.refused++;
        options.fail?.({ errMsg: "connectSocket:fail exceed max task count" });
        return undefined;
      }
      world.tasks.push(new FakeTask(world.wx, options));
      return world.tasks.at(-1);
    },
    request(options) {
      if (underWay() >= MOST_REQUESTS) throw new Error("request:fail exceed max request count");
      const request = { ...options, address: new URL(options.url), isOver: false };
      const end = (call, answer) => {
        request.isOver = true;
        call(answer);
        options.complete?.(answer);
      };
      request.answers = (data, statusCode = 200, header = {}) =>
        end(options.success, { statusCode, header, data: JSON.stringify(data) });
      request.fails = () => end(options.fail, { errMsg: "request:fail timeout" });
      world.requests.push(request);
      world.mostUnderWay = Math.max(world.mostUnderWay, underWay());
    },
    getStorageSync: (key) => stored.get(key) ?? "",
    setStorageSync: (key, value) => void stored.set(key, value),
    onAppShow: (call) => calls.AppShow.push(call),
    onAppHide: (call) => calls.AppHide.push(call),
    onNetworkStatusChange: (call) => calls.NetworkStatusChange.push(call),
  };

  const inside = vm.createContext({
    wx: world.wx,
    console,
    module: { exports: {} },
    setTimeout(action, ms) {
      const timer = {};
      timers.set(timer, { action, at: now + ms });
      return timer;
    },
    clearTimeout: (timer) => void timers.delete(timer),
  });
  inside.exports = inside.module.exports;
  vm.runInContext(readFileSync(BUNDLE, "utf8"), inside, { filename: BUNDLE });

  /** Let `ms` pass; in the background no timer runs. */
  world.pass = (ms) => {
    const end = now + ms;
    const due = () => [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
    for (let next = due(); next && !isHidden; next = due()) {
      timers.delete(next[0]);
      now = Math.max(now, next[1].at);
      next[1].action();
    }
    now = end;
  };
  world.hide = (ms) => {
    isHidden = true;
    calls.AppHide.forEach((call) => call());
    world.pass(ms);
    if (ms >= BACKGROUND_MS) open().forEach((task) => task.ends(1006));
  };
  world.show = () => {
    isHidden = false;
    calls.AppShow.forEach((call) => call({}));
    world.pass(0);
  };
  world.network = (isConnected) => calls.NetworkStatusChange.forEach((call) => call({ isConnected, networkType: "wifi" }));
  world.realtime = (options = {}) =>
    inside.module.exports.realtime({
      url: "wss://ledger.example/ws",
      logLevel: "silent",
      environment: { now: () => now, random: () => 1 },
      ...options,
    });
  /** Run a script of a mini-program; `world.app` and `world.page` are what it registers. */
  world.run = (path) => {
    const source = readFileSync(new URL(path, import.meta.url), "utf8");
    const program = vm.runInContext(`(function (require, App, Page, getApp) {${source}\n})`, inside, { filename: path });
    const App = (app) => ((world.app = app), app.onLaunch?.());
    const Page = (page) => (world.page = { ...page, setData: (changed) => Object.assign(world.page.data, changed) });
    program(() => inside.module.exports, App, Page, () => world.app);
  };
  return world;
}

/** Let everything that is already settled run its course. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
