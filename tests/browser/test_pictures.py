"""The pictures of the documentation, taken from the demo as it is; ``--pictures`` keeps them.

Separate because they are made of the demo's own rows, and because they show the moment of a change.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from accounts.models import User
from config.env import BASE_DIR
from ledger.models import Account, Transaction
from ledger.services.credits import change
from tests.browser.conftest import sit_at_each
from tests.browser.reader import Reader
from tests.live import LiveServer

SitDown = Callable[..., Reader]
Camera = Callable[[Reader, str], None]

POINTS = 6
IMAGES = BASE_DIR / "docs" / "images"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
TALL: dict[str, Any] = {"viewport": {"width": 1280, "height": 1640}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "color_scheme": "dark",
}
DEVICES = [pytest.param("", DESKTOP, id="desktop"), pytest.param("-phone", PHONE, id="phone")]


@pytest.fixture
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Camera:
    """``camera(reader, "ledger")`` takes a picture; into the documentation when that was asked for."""
    images = IMAGES if request.config.getoption("--pictures") else tmp_path
    images.mkdir(parents=True, exist_ok=True)

    def take(reader: Reader, name: str) -> None:
        # An animation is otherwise shown at its end, where nothing is lit up any more.
        reader.page.screenshot(path=images / f"{name}.png", animations="allow")
        assert (images / f"{name}.png").stat().st_size > 10_000

    return take


@pytest.mark.parametrize(("suffix", "device"), DEVICES)
def test_the_demo_shows_what_happens_as_it_happens(
    suffix: str, device: dict[str, Any], camera: Camera, transactional_db: None, sit_down: SitDown
) -> None:
    call_command("create_demo", verbosity=0)
    alice, admin = User.objects.get(username="alice"), User.objects.get(username="admin")
    at_alice = sit_down(alice, **device)

    _bob_goes_shopping()
    expect(at_alice.row("Bread and cheese")).to_have_attribute("data-flash", "created")
    expect(at_alice.account("Everyday").locator("[data-moved]")).to_have_text("-€12.50")
    camera(at_alice, f"ledger{suffix}")

    at_alice.open("/credits")
    change(alice, Decimal("-4.50"), "usage", {"feature": "report"})
    expect(at_alice.page.locator("#entries > tr").first).to_have_attribute("data-flash", "created")
    camera(at_alice, f"credits{suffix}")

    camera(sit_down(alice, locale="zh-CN", **device), f"ledger-zh{suffix}")

    at_admin = sit_down(admin, path="/debug", **device)
    expect(at_admin.page.locator("#line [data-state]")).to_have_text("live")
    change(admin, Decimal("25.00"), "reward", {"campaign": "welcome"})
    expect(at_admin.page.locator("#frames > tr", has_text="CreditBalanceUpdate").first).to_be_visible()
    camera(at_admin, f"debug{suffix}")


@pytest.mark.parametrize(
    ("suffix", "device"), [pytest.param("", TALL, id="desktop"), pytest.param("-phone", PHONE, id="phone")]
)
def test_the_desk_shows_how_the_demo_is_doing(
    suffix: str, device: dict[str, Any], camera: Camera, server: LiveServer, sit_down: SitDown
) -> None:
    call_command("create_demo", verbosity=0)
    sit_at_each(server, lambda: sit_down(User.objects.get(username="alice")))
    for username in ("bob", "vera"):
        sit_down(User.objects.get(username=username))
    at_admin = sit_down(User.objects.get(username="admin"), **device)
    at_admin.page.goto("/admin/realtime/operations/")

    # Enough points for a line, with something new between any two.
    for point in range(1, POINTS + 1):
        at_admin.page.wait_for_function("point => Number(document.documentElement.dataset.told) >= point", arg=point)
        _bob_goes_shopping()

    expect(at_admin.page.locator("#processes tr")).to_have_count(2)
    camera(at_admin, f"operations{suffix}")


def _bob_goes_shopping() -> None:
    account = Account.objects.get(name="Everyday")
    bob = User.objects.get(username="bob")
    Transaction.objects.create(account=account, created_by=bob, amount="-12.50", description="Bread and cheese")
