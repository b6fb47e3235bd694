"""The page of docs/own-project.md shows what happens to a board."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.own_project import OwnProject

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOARD = "0b0a6e0e-8f3c-4d0c-9a55-1f5f0a3f7c11"
SET_UP = f"""
from django.contrib.auth.models import User
ada = User.objects.create_superuser("ada", password="ada-and-the-engine")
Board.objects.create(pk="{BOARD}", name="Engine")
Member.objects.create(board_id="{BOARD}", user=ada)
Card.objects.create(board_id="{BOARD}", title="Wheels")
"""
CHANGES = f"""
Card.objects.create(board_id="{BOARD}", title="Levers")
Card.objects.filter(title="Wheels").update(is_done=True)
"""


@pytest.fixture
def project() -> Iterator[OwnProject]:
    with OwnProject() as project:
        project.shell(SET_UP)
        project.develop()
        yield project


@pytest.fixture
def page(browser: Browser, project: OwnProject) -> Iterator[Page]:
    """Ada's browser, signed in, with the board open and live."""
    with browser.new_context(base_url=project.url) as context:
        page = context.new_page()
        page.goto(f"/boards/{BOARD}")
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", "ada-and-the-engine")
        page.click("[type=submit]")
        expect(page.locator("#state")).to_have_text("live")
        yield page


def test_a_board_shows_what_another_process_writes_and_starts_over_when_history_does(
    project: OwnProject, page: Page
) -> None:
    expect(page.locator("#cards li")).to_have_text(["Wheels"])

    project.shell(CHANGES)
    expect(page.locator("#cards li")).to_have_text(["✓ Wheels", "Levers"])
    project.shell("Card.objects.untold_update(title='Restored from a dump')")
    project.manage("new_epoch")

    expect(page.locator("#cards li")).to_have_text(["✓ Restored from a dump", "Restored from a dump"])
