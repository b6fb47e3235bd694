"""The pictures of the documentation, taken from the demo as it is; ``--pictures`` keeps them.

Separate because they are made of the demo's own rows, and because they show the moment of a change.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from accounts.models import User
from config.env import BASE_DIR
from ledger.models import Account, Transaction
from tests.browser.reader import Reader

SitDown = Callable[..., Reader]

IMAGES = BASE_DIR / "docs" / "images"
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "color_scheme": "dark"}


@pytest.fixture
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where pictures go: into the documentation when that was asked for."""
    return IMAGES if request.config.getoption("--pictures") else tmp_path


@pytest.mark.parametrize(("name", "device"), [("ledger", DESKTOP), ("ledger-phone", PHONE)])
def test_the_demo_shows_what_bob_enters_as_it_comes(
    name: str, device: dict[str, object], images: Path, transactional_db: None, sit_down: SitDown
) -> None:
    call_command("create_demo", verbosity=0)
    at_alice = sit_down(User.objects.get(username="alice"), **device)

    _bob_goes_shopping()

    expect(at_alice.row("Bread and cheese")).to_have_attribute("data-flash", "created")
    expect(at_alice.account("Everyday").locator("[data-moved]")).to_have_text("-€12.50")
    images.mkdir(parents=True, exist_ok=True)
    # An animation is otherwise shown at its end, where nothing is lit up any more.
    at_alice.page.screenshot(path=images / f"{name}.png", animations="allow")
    assert (images / f"{name}.png").stat().st_size > 10_000


def _bob_goes_shopping() -> None:
    account = Account.objects.get(name="Everyday")
    bob = User.objects.get(username="bob")
    Transaction.objects.create(account=account, created_by=bob, amount="-12.50", description="Bread and cheese")
