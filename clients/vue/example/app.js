/** A page that shows the signed-in user's credit, as it changes. `node clients/example.mjs vue` serves it. */

import { realtime, useRealtime } from "@realtime-ledger/vue";
import { creditStore } from "@realtime-ledger/vue/pinia";
import { createPinia } from "pinia";
import { createApp, h, ref } from "vue";

import { signIn } from "../../sign-in.js";

const SignIn = {
  setup() {
    const complaint = ref("");
    const submit = (event) => {
      event.preventDefault();
      const entered = new FormData(event.currentTarget);
      signIn(entered.get("name"), entered.get("password")).then(showCredit, ({ message }) => (complaint.value = message));
    };
    return () =>
      h("form", { onSubmit: submit }, [
        h("label", ["User name", h("input", { name: "name", autocomplete: "username", required: true })]),
        h("label", ["Password", h("input", { name: "password", type: "password", required: true })]),
        h("button", "Sign in"),
        h("p", { role: "alert" }, complaint.value),
      ]);
  },
};

/** The page once somebody has signed in. */
function creditOf(useCreditStore) {
  return {
    setup() {
      const store = useCreditStore();
      const news = ref("nothing yet");
      const { state, transport } = useRealtime("*", ({ type }) => (news.value = type));
      return () =>
        h("section", [
          h("p", { role: "status" }, `${state.value} ${transport.value}`),
          h("output", { "aria-label": "Credit" }, store.balance ?? "…"),
          h("p", `Last heard: ${news.value}`),
        ]);
    },
  };
}

const door = createApp(SignIn);
door.mount("#app");

function showCredit({ userId, client }) {
  door.unmount();
  createApp(creditOf(creditStore(client, userId)))
    .use(createPinia())
    .use(realtime(client))
    .mount("#app");
}
