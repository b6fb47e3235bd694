/** A page that shows the signed-in user's credit, as it changes. `node clients/example.mjs react` serves it. */

import { CreditProvider, RealtimeProvider, useCreditBalance, useRealtime } from "@realtime-ledger/react";
import { createElement as h, useState } from "react";
import { createRoot } from "react-dom/client";

import { signIn } from "../../sign-in.js";

function App() {
  const [session, setSession] = useState(null);
  if (!session) return h(SignIn, { onSession: setSession });
  return h(RealtimeProvider, { client: session.client }, h(CreditProvider, { userId: session.userId }, h(Credit)));
}

function SignIn({ onSession }) {
  const [complaint, setComplaint] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const entered = new FormData(event.currentTarget);
    signIn(entered.get("name"), entered.get("password")).then(onSession, ({ message }) => setComplaint(message));
  };
  return h(
    "form",
    { onSubmit: submit },
    h("label", null, "User name", h("input", { name: "name", autoComplete: "username", required: true })),
    h("label", null, "Password", h("input", { name: "password", type: "password", required: true })),
    h("button", null, "Sign in"),
    h("p", { role: "alert" }, complaint),
  );
}

function Credit() {
  const credit = useCreditBalance();
  const [news, setNews] = useState("nothing yet");
  const { state, transport } = useRealtime("*", ({ type }) => setNews(type));
  return h(
    "section",
    null,
    h("p", { role: "status" }, `${state} ${transport}`),
    h("output", { "aria-label": "Credit" }, credit?.balance ?? "…"),
    h("p", null, `Last heard: ${news}`),
  );
}

createRoot(document.getElementById("app")).render(h(App));
