"""The examples of the packages in a real browser: sign in, and the credit on the page is the one in the database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, expect
from pytest_django import Settings

from accounts.models import Family, User
from config.env import BASE_DIR
from config.launch import node
from config.services.supervised import Supervised, temporary_directory
from config.services.waiting import wait_until
from ledger.services import credits as credit
from tests.conftest import PASSWORD
from tests.live import LiveServer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=["react", "vue"])
def example(request: pytest.FixtureRequest, server: LiveServer) -> Iterator[str]:
    """The address of an example's page, the real server behind it."""
    found = shutil.which("node")
    if found is None or node.packages() is None:
        pytest.skip("THE EXAMPLES ARE NOT TESTED: that needs node, and npm for React and Vue")
    script = str(BASE_DIR / "clients" / "example.mjs")
    command = [found, script, request.param, "--server", server.url, "--port", "0"]
    with closing(Supervised(command, temporary_directory(), temporary=True)) as serving:
        serving.start()
        wait_until(lambda: "ready " in serving.log.read_text(), 60, serving.log.read_text)
        yield serving.log.read_text().split("ready ")[1].split()[0]


def test_an_example_shows_the_credit_of_who_signs_in_as_it_changes(
    example: str, alice: User, family: Family, browser: Browser, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # as the server has it
    alice.set_password(PASSWORD)
    alice.save()
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    credit.change(alice, Decimal(20), "reward", {})

    page.goto(example)
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    refused = "That is no name and password of a user here."
    expect(page.get_by_role("alert")).to_have_text(refused, timeout=30_000)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_text("live websocket")).to_be_visible(timeout=30_000)
    expect(page.get_by_label("Credit")).to_have_text("20.00")
    credit.change(alice, Decimal("2.50"), "reward", {})
    expect(page.get_by_label("Credit")).to_have_text("22.50", timeout=15_000)
    assert complaints == []
    page.close()
