"""People at their browsers, before the real server: two processes behind one port.

Separate run, separate fixtures: Playwright's event loop does not live with that of the asynchronous tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from playwright.sync_api import Browser, BrowserContext
from pytest_django import DjangoDbBlocker

from accounts.models import Family, User
from config.launch import browser as chromium
from ledger.models import Account, Transaction
from tests.browser.reader import Reader
from tests.live import LiveServer
from tests.processes import frozen, workers_of
from tests.tables import wait_until_drained

# Playwright keeps a loop running in this thread, where Django would refuse to touch the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

BACKEND = "django.contrib.auth.backends.ModelBackend"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--pictures`` takes those of the documentation anew; ``--seconds N`` measures N times how the page falls."""
    parser.addoption("--pictures", action="store_true", help="write the pictures in docs/images anew")
    parser.addoption(
        "--seconds", type=int, default=0, metavar="N", help="measure N times how the page falls and climbs"
    )


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium, which asks nobody on the network for anything."""
    path = chromium.installed()
    if path is None:
        pytest.skip("THE PAGES ARE NOT TESTED IN A BROWSER: there is no Chromium on the PATH")
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    return {"executable_path": path, "args": ["--no-sandbox", *quiet]}


@pytest.fixture(scope="session")
def running_server(django_db_setup: None) -> Iterator[LiveServer]:
    """One server for all tests: starting it takes longer than most of them."""
    with LiveServer(workers=2) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_connection_is_left(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Under Playwright's loop Django keeps a connection that whoever drops the test database would not find."""
    yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def server(transactional_db: None, running_server: LiveServer) -> LiveServer:
    """Two workers behind one port: a page may be served by one and its events come through the other."""
    return running_server


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    """The family's account, in euro, with one transaction of 100.00."""
    account = Account.objects.create(family=family, owner=alice, name="Everyday", type="checking", currency="EUR")
    spend(account, alice, "100.00", "Opening")
    return account


@pytest.fixture
def sit_down(browser: Browser, server: LiveServer) -> Iterator[Callable[..., Reader]]:
    """``sit_down(alice)`` opens the ledger in a browser of her own; what its console complains of fails the test.

    ``path`` is another page, ``init_script`` runs before its scripts; other options are those of Playwright's context.
    """
    readers: list[Reader] = []

    def sit(
        user: User, *, path: str = "/", base_url: str = server.url, init_script: str = "", **options: Any
    ) -> Reader:
        context = browser.new_context(base_url=base_url, **{"locale": "en-GB", **options})
        if init_script:
            context.add_init_script(init_script)
        sign_in(context, user, base_url)
        readers.append(Reader(context))
        return readers[-1].open(path)

    yield sit
    complaints = [complaint for reader in readers for complaint in reader.complaints]
    for reader in readers:
        reader.context.close()
    assert complaints == [], server.log()[-4000:]


def sit_at_each(server: LiveServer, sit: Callable[[], Reader]) -> None:
    """Have a page at each of the server's processes: who takes a connection is chance, and who has none says nothing.

    The others are stopped meanwhile, though not with the head of the log in their hands.
    """
    wait_until_drained()
    workers = workers_of(server.pid)
    for worker in workers:
        with frozen(*(other for other in workers if other != worker)):
            sit()


def sign_in(context: BrowserContext, user: User, base_url: str = "") -> None:
    """Give a browser the user's session; ``base_url`` only for one that has no page open yet."""
    url = base_url or context.pages[0].url
    context.add_cookies([{"name": "sessionid", "value": session_of(user), "url": url}])


def session_of(user: User) -> str:
    """Sign the user in, as the sign-in page would, and return the session's key."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    key = session.session_key
    assert key is not None
    return key


def spend(account: Account, by: User, amount: str, description: str, **fields: Any) -> Transaction:
    """Write a transaction in this process, which is none of the server's."""
    fields.setdefault("date", "2026-01-02")
    made: Transaction = Transaction.objects.create(
        account=account, created_by=by, amount=amount, description=description, **fields
    )
    return made
