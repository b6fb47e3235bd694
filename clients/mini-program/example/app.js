/** The mini-program: one client for all its pages. `npm install` the package and build npm in the developer tools. */

const { realtime } = require("@realtime-ledger/mini-program");

const SERVER = "ledger.example.org";

App({
  onLaunch() {
    this.client = realtime({
      url: `wss://${SERVER}/ws`,
      // The program's own server has exchanged what wx.login() gave for a token of the ledger's.
      getToken: () => wx.getStorageSync("access"),
    });
    this.client.start();
  },
});
