"""The pictures of the documentation, taken from the demo as it is; ``--pictures`` keeps them.

Separate because they are made of the demo's own rows, and because they show the moment of a change.
"""

from __future__ import annotations

import re
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
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]
Camera = Callable[[Reader, str], None]

POINTS = 6
IMAGES = BASE_DIR / "docs" / "images"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
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


@pytest.mark.parametrize(("name", "device"), [("operations", DESKTOP), ("operations-phone", PHONE)])
def test_the_desk_shows_how_the_demo_is_doing(
    name: str, device: dict[str, object], images: Path, transactional_db: None, sit_down: SitDown
) -> None:
    call_command("create_demo", verbosity=0)
    for username in ("alice", "bob", "vera"):
        sit_down(User.objects.get(username=username))
    page = sit_down(User.objects.get(username="admin"), **device).page
    page.goto("/admin/realtime/operations/")

    # Enough points for a line, something new between any two.
    expect(page.locator("html")).to_have_attribute("data-told", re.compile("."), timeout=20_000)
    while int(page.locator("html").get_attribute("data-told") or 0) < POINTS:
        _bob_goes_shopping()
        page.wait_for_timeout(300)  # a family is no machine

    expect(page.locator("#processes tr")).to_have_count(2)
    images.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=images / f"{name}.png", full_page=name == "operations")
    assert (images / f"{name}.png").stat().st_size > 10_000


def _bob_goes_shopping() -> None:
    account = Account.objects.get(name="Everyday")
    bob = User.objects.get(username="bob")
    Transaction.objects.create(account=account, created_by=bob, amount="-12.50", description="Bread and cheese")
