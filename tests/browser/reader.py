"""One person at a browser: what they see on the ledger page, in the words of the page.

Separate so that no test knows the page's markup.
"""

from __future__ import annotations

import re
from typing import Self

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Request, expect

# Only said by the browser itself, of a server that is away or a network that is cut: no script can keep it quiet.
UNAVOIDABLE = re.compile(
    r"net::ERR_(CONNECTION|INTERNET|EMPTY|SOCKET|NETWORK|INCOMPLETE)|WebSocket connection to .* failed"
)

OWN = ("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")

# No jitter: each wait is the shortest that there is.
IMPATIENT = "Math.random = () => 0"

# The page's own client, which any module that asks for it is given.
RECORD = """async () => {
  const { client } = await import("/static/ledger/page.js");
  window.told = [];
  window.states = [];
  client.on("TransactionUpdate", (event) => window.told.push(event.data.data.description));
  client.watch(({ state, transport }) => window.states.push(`${state} ${transport}`));
}"""


class Reader:
    """A browser with the ledger page open. ``complaints``: whatever its console holds against the page."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.loads = 0
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note_stranger)
        self.page.on("load", lambda _: self._count_load())

    def open(self, path: str) -> Self:
        """Go to a page; return once it is live."""
        self.page.goto(path)
        expect(self.page.locator("#connection[data-state=live]")).to_have_count(1, timeout=15_000)
        self.loads = 0
        return self

    def sees_state(self, state: str, *, within: float = 15.0) -> None:
        """Wait for the connection badge to say ``state``."""
        expect(self.page.locator("#connection [data-text]")).to_have_text(state, timeout=within * 1000)

    def sees_transport(self, transport: str, *, within: float = 30.0) -> None:
        """Wait for the badge to say that the page is live over ``transport``."""
        live = self.page.locator(f"#connection[data-state=live][data-transport={transport}]")
        expect(live).to_have_count(1, timeout=within * 1000)

    def forgives(self, words: str) -> None:
        """Leave aside complaints with these words: the test itself has caused them."""
        self.complaints = [complaint for complaint in self.complaints if words not in complaint]

    def sees_balance(self, account: str, balance: str) -> None:
        """Wait for the account to show that balance."""
        expect(self.account(account).locator("[data-balance]")).to_have_text(balance)

    def sees_credit(self, balance: str) -> None:
        """Wait for the bar to show that credit balance."""
        expect(self.page.locator(".bar [data-credit]")).to_have_text(balance)

    def sees_transactions(self, *descriptions: str) -> None:
        """Wait for exactly these transactions, newest first."""
        expect(self.page.locator("#transactions [data-description]")).to_have_text(list(descriptions))

    def sees_accounts(self, *names: str) -> None:
        """Wait for exactly these accounts, by name."""
        expect(self.page.locator("#accounts [data-name]")).to_have_text(list(names))

    def account(self, name: str) -> Locator:
        """The card of an account."""
        return self.page.locator("#accounts > li", has_text=name)

    def row(self, description: str) -> Locator:
        """The row of a transaction."""
        return self.page.locator("#transactions > tr", has_text=description)

    def enter(self, amount: str, description: str, *, payee: str = "") -> None:
        """Fill in the form for a new transaction and save it."""
        self.page.locator("#new-amount").fill(amount)
        self.page.locator("#new-description").fill(description)
        self.page.locator("#new-payee").fill(payee)
        self.page.locator("#new button").click()

    def look_for(self, **wanted: str) -> None:
        """Fill in the filter's fields: ``search``, ``account_id`` (by its label), ``direction``, ``date_from`` …."""
        for name, value in wanted.items():
            field = self.page.locator(f"#filter [name={name}]")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(label=value)
            else:
                field.fill(value)

    def hears(self, news: str) -> None:
        """Wait for the line that tells of what just happened."""
        expect(self.page.locator("#news")).to_have_text(news)

    def change(self, description: str) -> Locator:
        """Open the dialog of a transaction and return it."""
        self.row(description).locator("[data-edit]").click()
        dialog = self.page.locator("#edit")
        expect(dialog).to_be_visible()
        return dialog

    def _note(self, message: ConsoleMessage) -> None:
        is_complaint = message.type in ("error", "warning") and not UNAVOIDABLE.search(message.text)
        # Django's admin names no icon, so the browser asks for one.
        if is_complaint and not message.location["url"].endswith("/favicon.ico"):
            self.complaints.append(message.text)

    def _note_stranger(self, request: Request) -> None:
        """A page asks its own server and nobody else."""
        if not request.url.startswith(OWN):
            self.complaints.append(f"asks {request.url}")

    def _count_load(self) -> None:
        self.loads += 1


def was_told(reader: Reader, *descriptions: str) -> None:
    """Wait until a recording page was told of the last one, and see that it was told of each once, in order."""
    reader.page.wait_for_function("last => window.told.includes(last)", arg=descriptions[-1], timeout=60_000)
    assert reader.page.evaluate("window.told") == list(descriptions)
