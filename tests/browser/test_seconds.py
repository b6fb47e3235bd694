"""How many seconds a page takes to fall to what works and to climb back, measured: with ``--seconds N`` alone.

The page's own patience and chance, a real proxy, a real browser. What is printed is in docs/browser-client.md.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

import pytest
from playwright.sync_api import Browser, Page

from accounts.models import Family, User
from tests.browser.conftest import session_of
from tests.browser.proxy import Proxy
from tests.live import LiveServer

pytestmark = pytest.mark.timeout(1200)

CLIENT = """async () => {
  const { RealtimeClient } = await import("/static/realtime/client.js");
  window.client = new RealtimeClient({ logLevel: "silent" });
  window.client.start();
}"""
IS_LIVE = "transport => window.client.state === 'live' && window.client.transport === transport"
WITHIN_MS = 180_000


@pytest.fixture
def proxy(server: LiveServer) -> Iterator[Proxy]:
    """What the browser takes for the server."""
    with Proxy(server.port) as proxy:
        yield proxy


class Watch:
    """Measures, by what is said of each measurement."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def until(self, what: str, page: Page, transport: str) -> None:
        """Wait until the page is live over a transport, and note how long that took."""
        began = time.monotonic()
        page.wait_for_function(IS_LIVE, arg=transport, timeout=WITHIN_MS)
        self.seconds[what].append(time.monotonic() - began)

    def __str__(self) -> str:
        rows = [
            f"| {what} | {median(found):.1f} | {min(found):.1f}–{max(found):.1f} |"
            for what, found in self.seconds.items()
        ]
        return "\n".join(["", "| | median, s | range |", "|---|---|---|", *rows])


def test_how_long_a_page_takes_to_fall_and_to_climb(
    request: pytest.FixtureRequest, browser: Browser, alice: User, family: Family, proxy: Proxy
) -> None:
    repeats = request.config.getoption("--seconds")
    if not repeats:
        pytest.skip("measures for minutes: asked for with --seconds 4 -n 0 -s")
    context = browser.new_context(base_url=proxy.url)
    context.add_cookies([{"name": "sessionid", "value": session_of(alice), "url": proxy.url}])
    page = context.new_page()
    watch = Watch()

    for _ in range(repeats):
        blocked_from_the_start(watch, page, proxy)
        blocked_while_open(watch, page, proxy)

    context.close()
    print(watch)


def blocked_from_the_start(watch: Watch, page: Page, proxy: Proxy) -> None:
    """Measure a page that comes to find things blocked, each way once."""
    for refuses_streams, buffers, transport, what in (
        (False, False, "sse", "the proxy refuses upgrades: on the stream after"),
        (True, False, "polling", "and refuses streams: polling after"),
        (False, True, "polling", "and holds streams back: polling after"),
    ):
        proxy.refuses_upgrades, proxy.refuses_streams, proxy.buffers_streams = True, refuses_streams, buffers
        sit(page)
        watch.until(what, page, transport)
    proxy.refuses_upgrades = proxy.refuses_streams = proxy.buffers_streams = False


def blocked_while_open(watch: Watch, page: Page, proxy: Proxy) -> None:
    """Measure an open page under which one transport after the other goes, and comes back."""
    sit(page)
    watch.until("nothing is in the way: on the WebSocket after", page, "websocket")
    proxy.refuses_upgrades = True
    proxy.cut()
    watch.until("upgrades are refused from now on: from the WebSocket to the stream", page, "sse")
    proxy.refuses_streams = True
    proxy.cut()
    watch.until("streams too: from the stream to polling", page, "polling")
    proxy.refuses_upgrades = proxy.refuses_streams = False
    watch.until("nothing is refused any more: from polling up to the WebSocket", page, "websocket")


def sit(page: Page) -> None:
    """Open a page with nothing on it but a client, that connects."""
    page.goto("/static/realtime/client.js")
    page.evaluate(CLIENT)
