/** The page that shows the user's credit, as it changes. */

const { follow } = require("@realtime-ledger/mini-program");

Page({
  data: { balance: "…", state: "", transport: "" },

  onLoad() {
    const { client } = getApp();
    const what = { resource: "credit_balance", type: "CreditBalanceUpdate" };
    this.ends = [
      follow(client, what, ({ balance }) => this.setData({ balance })),
      client.watch(({ state, transport }) => this.setData({ state, transport })),
    ];
  },

  onUnload() {
    this.ends.forEach((end) => end());
  },
});
