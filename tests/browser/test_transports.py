"""Whatever stands between page and server: the page falls to what works, climbs back, and is told everything once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from config.services.waiting import wait_until
from ledger.models import Account
from tests.browser.conftest import spend
from tests.browser.proxy import Proxy
from tests.browser.reader import IMPATIENT, RECORD, Reader, was_told
from tests.clients import access_token
from tests.live import LiveServer

SitDown = Callable[..., Reader]

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def proxy(server: LiveServer) -> Iterator[Proxy]:
    """What the browser takes for the server."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def sit_behind(sit_down: SitDown, proxy: Proxy) -> SitDown:
    """Like ``sit_down``, behind the proxy and with little patience; what the page is told is recorded."""

    def sit(user: User) -> Reader:
        reader = sit_down(user, base_url=proxy.url, init_script=IMPATIENT)
        reader.page.evaluate(RECORD)
        return reader

    return sit


def test_behind_a_proxy_that_refuses_upgrades_the_page_is_streamed_to(
    alice: User, bob: User, account: Account, proxy: Proxy, sit_behind: SitDown
) -> None:
    proxy.refuses_upgrades = True
    at_alice = sit_behind(alice)
    at_alice.sees_transport("sse")

    for number in (1, 2, 3):
        spend(account, bob, "-1.00", f"Streamed {number}")

    was_told(at_alice, "Streamed 1", "Streamed 2", "Streamed 3")
    at_alice.sees_balance("Everyday", "€97.00")
    assert proxy.open("websocket") == 0


@pytest.mark.parametrize("fault", ["refuses_streams", "buffers_streams"])
def test_behind_a_proxy_that_lets_no_stream_through_either_the_page_polls(
    fault: str, alice: User, bob: User, account: Account, proxy: Proxy, sit_behind: SitDown
) -> None:
    proxy.refuses_upgrades = True
    setattr(proxy, fault, True)
    at_alice = sit_behind(alice)
    at_alice.sees_transport("polling")

    for number in (1, 2, 3):
        spend(account, bob, "-1.00", f"Polled {number}")

    was_told(at_alice, "Polled 1", "Polled 2", "Polled 3")
    at_alice.sees_balance("Everyday", "€97.00")
    at_alice.forgives("403")


def test_an_open_page_falls_to_polling_and_climbs_back_and_is_told_everything_once(
    alice: User, bob: User, account: Account, proxy: Proxy, sit_behind: SitDown
) -> None:
    at_alice = sit_behind(alice)
    at_alice.sees_transport("websocket")
    spend(account, bob, "-1.00", "On the socket")
    was_told(at_alice, "On the socket")

    proxy.refuses_upgrades = True
    proxy.cut()
    spend(account, bob, "-1.00", "Between")
    at_alice.sees_transport("sse")
    spend(account, bob, "-1.00", "On the stream")
    was_told(at_alice, "On the socket", "Between", "On the stream")

    proxy.refuses_streams = True
    proxy.cut()
    spend(account, bob, "-1.00", "Between again")
    at_alice.sees_transport("polling")
    spend(account, bob, "-1.00", "Polled")
    was_told(at_alice, "On the socket", "Between", "On the stream", "Between again", "Polled")

    seen = at_alice.page.evaluate("window.states.length")
    proxy.refuses_streams = proxy.refuses_upgrades = False
    at_alice.sees_transport("websocket", within=60)
    # Nobody notices the way back up: not for a moment is the page without a line.
    assert {state.split()[0] for state in at_alice.page.evaluate(f"window.states.slice({seen})")} == {"live"}
    spend(account, bob, "-1.00", "Back up")
    was_told(at_alice, "On the socket", "Between", "On the stream", "Between again", "Polled", "Back up")
    at_alice.sees_balance("Everyday", "€94.00")
    assert at_alice.loads == 0
    at_alice.forgives("403")


# --- tabs -----------------------------------------------------------------------------------------


def second_tab(reader: Reader) -> Reader:
    """Open the page again in another tab of the same browser."""
    tab = Reader(reader.context)
    tab.open("/")
    tab.page.evaluate(RECORD)
    return tab


def test_two_tabs_share_one_connection_and_the_other_goes_on_when_the_holder_closes(
    alice: User, bob: User, account: Account, proxy: Proxy, sit_behind: SitDown
) -> None:
    holder = sit_behind(alice)
    holder.sees_transport("websocket")
    guest = second_tab(holder)
    guest.sees_transport("tab")
    spend(account, bob, "-1.00", "To both")
    was_told(holder, "To both")
    was_told(guest, "To both")
    assert (proxy.open("websocket"), proxy.asked["websocket"]) == (1, 1)

    holder.page.close()
    spend(account, bob, "-1.00", "To the one left")

    guest.sees_transport("websocket")
    was_told(guest, "To both", "To the one left")
    assert guest.loads == 0
    assert guest.complaints == []


def test_of_three_tabs_the_two_left_miss_nothing_when_the_holder_closes(
    alice: User, bob: User, account: Account, proxy: Proxy, sit_behind: SitDown
) -> None:
    holder = sit_behind(alice)
    left = [second_tab(holder), second_tab(holder)]

    holder.page.close()
    names = [f"Number {number}" for number in range(10)]
    for name in names:
        spend(account, bob, "-1.00", name)

    for tab in left:
        was_told(tab, *names)
    wait_until(lambda: proxy.open("websocket") == 1, 10, lambda: f"{proxy.open('websocket')} WebSockets are open")


def test_a_sign_out_in_one_tab_ends_the_others_and_every_other_device(
    alice: User, account: Account, sit_down: SitDown
) -> None:
    holder, elsewhere = sit_down(alice), sit_down(alice)
    guests = [second_tab(holder), second_tab(holder)]

    guests[0].page.get_by_role("button", name="Sign out").click()

    expect(guests[0].page.locator("#id_username")).to_be_visible()
    for left in (holder, guests[1], elsewhere):
        left.sees_state("Signed out")
        expect(left.page.get_by_role("link", name="Sign in again")).to_be_visible()


# --- tokens ---------------------------------------------------------------------------------------

# One client for each transport, on one page, at the same time: they wait for the same clock.
BY_TOKEN = """async (transports) => {
  const { RealtimeClient } = await import("/static/realtime/client.js");
  window.lines = {};
  for (const transport of transports) {
    const line = (window.lines[transport] = { told: [], states: [] });
    const client = new RealtimeClient({
      transports: [transport],
      getToken: () => window.giveToken(transport),
      trace: (direction, { type }) => direction === "in" && line.told.push(type),
    });
    client.watch(({ state }) => line.states.push(state));
    client.start();
  }
}"""
TRANSPORTS = ["websocket", "sse", "polling"]
LIFETIME = timedelta(seconds=12)


def test_a_page_that_stays_open_longer_than_its_token_is_never_shut_out(
    alice: User, bob: User, account: Account, sit_down: SitDown
) -> None:
    given: Counter[str] = Counter()

    def give_token(transport: str) -> str:
        given[transport] += 1
        return access_token(alice, LIFETIME)

    page: Page = sit_down(alice).page
    page.expose_function("giveToken", give_token)
    page.evaluate(BY_TOKEN, TRANSPORTS)
    # Two have been taken over: the first has been worth nothing for a while.
    page.wait_for_function("() => Object.values(lines).every(({ states }) => states.includes('live'))")
    while min(given[transport] for transport in TRANSPORTS) < 3:
        page.wait_for_timeout(100)
    spend(account, bob, "-1.00", "Still here")
    page.wait_for_function("() => Object.values(lines).every(({ told }) => told.includes('TransactionUpdate'))")

    states = page.evaluate("Object.values(lines).map(({ states }) => states.filter((state) => state !== 'live'))")
    assert states == [["stopped", "connecting"]] * 3
