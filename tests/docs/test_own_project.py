"""What docs/own-project.md shows works, in a project that has nothing but what the page shows."""

from collections.abc import Iterator

import httpx
import pytest

from config.env import BASE_DIR
from tests.clients import Client, PollClient, SocketClient, StreamClient
from tests.own_project import OwnProject, files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BOARD = "0b0a6e0e-8f3c-4d0c-9a55-1f5f0a3f7c11"
OTHER = "7b6a4a54-8a3a-4b8e-8d50-2f0b6f0d9a22"
SET_UP = f"""
from django.contrib.auth.models import User
ada = User.objects.create_superuser("ada", password="ada-and-the-engine")
eve = User.objects.create_user("eve", password="eve-is-not-invited")
for pk, name in (("{BOARD}", "Engine"), ("{OTHER}", "Other")):
    Board.objects.create(pk=pk, name=name)
Member.objects.create(board_id="{BOARD}", user=ada)
Card.objects.create(board_id="{BOARD}", title="Wheels")
"""
EVERY_WAY = f"""
card = Card.objects.create(board_id="{BOARD}", title="Cards")
Card.objects.filter(pk=card.pk).update(is_done=True)
Card.objects.bulk_create([Card(board_id="{BOARD}", title="Levers")])
Card.objects.filter(pk=card.pk).delete()
Card.objects.create(board_id="{OTHER}", title="Not hers")
"""
USERS = "from django.contrib.auth.models import User"
ADA = f"{USERS}; ada = User.objects.get(username='ada')"


@pytest.fixture(scope="module")
def project() -> Iterator[OwnProject]:
    with OwnProject() as project:
        project.shell(SET_UP)
        project.serve()
        yield project


@pytest.fixture(scope="module")
def token(project: OwnProject) -> str:
    return project.token("ada", "ada-and-the-engine")


def test_the_page_is_whole() -> None:
    assert {name.split("/")[0] for name in files()} == {"project", "boards"}
    assert len(files()) == 12


def test_its_settings_pass_the_checks(project: OwnProject) -> None:
    assert "no issues" in project.manage("check")


async def test_every_way_of_writing_reaches_every_transport(project: OwnProject, token: str) -> None:
    clients: list[Client] = [
        SocketClient(project.url, token),
        SocketClient(project.url, token, path=f"/ws/board/{BOARD}"),
        StreamClient(project.url, token),
        PollClient(project.url, token),
    ]
    for client in clients:
        await client.open()

    project.shell(EVERY_WAY)

    for client in clients:
        told = [(event["data"]["action"], event["data"]["data"]) for event in await client.events(4)]
        assert [(action, data["title"], data["is_done"], data["version"]) for action, data in told] == [
            ("saved", "Cards", False, 1),
            ("saved", "Cards", True, 2),
            ("saved", "Levers", False, 1),
            ("deleted", "Cards", True, 2),
        ]
        await client.close()


async def test_snapshot_and_request_answer_alike(project: OwnProject, token: str) -> None:
    async with SocketClient(project.url, token) as client:
        asked = await client.ask("Request", {"resource": "cards", "params": {"board_id": BOARD}})
    fetched = httpx.get(
        f"{project.url}/api/v1/snapshot?resource=cards&board_id={BOARD}", headers={"Authorization": f"Bearer {token}"}
    )

    assert asked["data"]["result"] == fetched.json()["result"]
    assert asked["data"]["result"][0]["title"] == "Wheels"


async def test_what_is_not_hers_is_refused(project: OwnProject) -> None:
    stranger = project.token("eve", "eve-is-not-invited")
    fetched = httpx.get(
        f"{project.url}/api/v1/snapshot?resource=cards&board_id={BOARD}",
        headers={"Authorization": f"Bearer {stranger}"},
    )
    async with SocketClient(project.url, stranger) as client:
        connected = await client.next("Connected")
        refused = await client.ask("Subscribe", {"topic": f"board:{BOARD}"})

    assert fetched.status_code == 404
    assert connected["data"]["topics"] == {"global": 0}
    assert refused["data"]["code"] == "forbidden"


async def test_rights_begin_and_end_while_connected(project: OwnProject, token: str) -> None:
    async with SocketClient(project.url, token) as client:
        await client.next("Connected")
        project.shell(ADA, f"Member.objects.create(board_id='{OTHER}', user=ada)")
        gained = await client.next("Subscribed")
        project.shell(ADA, f"Member.objects.filter(board='{OTHER}').delete()")
        lost = await client.next("Unsubscribed")

    assert gained["data"]["topic"] == lost["data"]["topic"] == f"board:{OTHER}"
    assert lost["data"]["reason"] == "revoked"


async def test_who_is_deactivated_or_has_another_password_is_closed(project: OwnProject) -> None:
    for change in ("user.set_password('another-one-altogether')", "user.is_active = False"):
        name = f"max{len(change)}"
        project.shell(USERS, f"User.objects.create_user('{name}', password='max-is-not-staying')")
        async with SocketClient(project.url, project.token(name, "max-is-not-staying")) as client:
            await client.next("Connected")
            project.shell(USERS, f"user = User.objects.get(username='{name}')", change, "user.save()")

            assert await client.close_code() == 4503


def test_its_events_can_be_kept_short_and_begun_anew(project: OwnProject) -> None:
    assert project.manage("prune_events").startswith("pruned 0 events")
    assert project.manage("new_epoch").startswith("epoch ")


def test_what_the_readme_shows_of_it_is_the_same() -> None:
    shown = BASE_DIR.joinpath("README.md").read_text().split("```python\n")[1:]
    whole = BASE_DIR.joinpath("docs/own-project.md").read_text()

    missing = [block for text in shown if (block := text.split("```")[0]) not in whole]

    assert shown
    assert missing == []
