"""The desk's pages and actions, each for who has its right; each action by POST, and in the admin's log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import translation
from pytest_django import Settings

from accounts.models import User
from realtime.desk.alarms import KINDS, Turn
from realtime.desk.watch import _tell
from realtime.hub import Hub
from realtime.models import Condition, Event
from realtime.outbox import publish
from realtime.protocol.errors import ProtocolError
from realtime.topics import topic
from tests.realtime.conftest import until_sequenced, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

OPERATIONS = reverse("admin:realtime_operations_changelist")
CONNECTIONS = reverse("admin:realtime_connections")
DATA = reverse("admin:realtime_connections_data")
CLOSE = reverse("admin:realtime_connections_close")
TRAIL = reverse("admin:realtime_trail")

RIGHTS = ["view_operations", "disconnect", "view_event", "view_receipt"]


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    """There is one process, and it has answered at once."""
    settings.REALTIME = {**settings.REALTIME, "ASK_TIMEOUT": 0.02}


@pytest.fixture
def staff(make_user: Callable[..., User]) -> Callable[..., User]:
    """``staff("view_event")``: a member of the staff with these rights and no other."""

    def make(*rights: str) -> User:
        user = make_user("stan", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="realtime", codename__in=rights))
        return user

    return make


@pytest.fixture
def visit(client: Client) -> Callable[..., Any]:
    def get(user: User, path: str, **query: str) -> Any:
        client.force_login(user)
        return client.get(path, query)

    return get


@pytest.mark.parametrize(
    ("path", "right"), [(OPERATIONS, "view_operations"), (CONNECTIONS, "view_operations"), (TRAIL, "view_event")]
)
def test_a_page_opens_with_its_right_and_with_that_alone(
    path: str, right: str, staff: Callable[..., User], visit: Callable[..., Any]
) -> None:
    user = staff(*[each for each in RIGHTS if each != right])
    refused = visit(user, path).status_code
    user.user_permissions.set(Permission.objects.filter(codename=right))

    assert (refused, visit(user, path).status_code) == (403, 200)


def test_who_is_no_staff_is_sent_to_sign_in(alice: User, visit: Callable[..., Any]) -> None:
    alice.user_permissions.set(Permission.objects.filter(content_type__app_label="realtime"))

    for path in (OPERATIONS, CONNECTIONS, TRAIL):
        answer = visit(alice, path)

        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("admin:login"))


def test_the_index_shows_the_desk_to_who_may_see_it(staff: Callable[..., User], visit: Callable[..., Any]) -> None:
    user = staff("view_operations")

    assert OPERATIONS in visit(user, reverse("admin:index")).content.decode()
    user.user_permissions.clear()
    assert OPERATIONS not in visit(user, reverse("admin:index")).content.decode()


def test_what_is_wrong_stands_on_the_page_from_the_first(admin: User, visit: Callable[..., Any]) -> None:
    from datetime import timedelta

    from django.utils import timezone

    soon, past = (timezone.now() + timedelta(seconds=seconds) for seconds in (60, -60))
    for name, until in (("<b>now</b>", soon), ("over", past)):
        Condition.objects.create(name=name, kind=name, severity="error", message=f"Wrong: {name}", until=until)

    text = visit(admin, OPERATIONS).content.decode()

    assert "Wrong: &lt;b&gt;now&lt;/b&gt;" in text
    assert "Wrong: over" not in text


def test_what_is_wrong_is_said_in_the_readers_language_and_told_in_english(
    admin: User, client: Client, settings: Settings
) -> None:
    settings.REALTIME = {**settings.REALTIME, "ALERT_INTERVAL": 60.0}
    client.force_login(admin)
    with translation.override("zh-hans"):  # the language of whoever looks after the process is nobody's who is told
        for kind in KINDS:
            _tell("far:1", [Turn(kind, 4321.0, begins=True)], frozenset())
        _tell("far:1", [Turn(KINDS[1], 0.0, begins=False)], frozenset())

    in_chinese = client.get(OPERATIONS, headers={"Accept-Language": "zh-CN"}).content.decode()
    in_english = client.get(OPERATIONS, headers={"Accept-Language": "en"}).content.decode()

    shown = re.findall(r'<li data-kind="(\w+)".*?<span>(.*?) \(far:1\)</span>', in_chinese)
    assert {name for name, _ in shown} == {kind.name for kind in KINDS} - {"outbox_age"}
    assert [words for _, words in shown if not re.search("[\u4e00-\u9fff].*4321|4321.*[\u4e00-\u9fff]", words)] == []
    phrases = re.findall(r'<i data-phrase="alert-\w+">(.*?)</i>', in_chinese)
    assert len(phrases) == len(KINDS) + 2
    assert [words for words in phrases if not re.search("[\u4e00-\u9fff]", words)] == []
    assert "A process is 4321 entries behind the log" in in_english
    until_sequenced()
    told = [json.loads(event.data)["message"] for event in Event.objects.filter(type="Alert")]
    assert len(told) == len(KINDS) + 1
    assert [words for words in told if not words.isascii()] == []


def test_receipts_are_shown_to_who_may_see_receipts(staff: Callable[..., User], visit: Callable[..., Any]) -> None:
    from realtime.models import Receipt

    user = staff("view_event")
    with transaction.atomic():
        publish("Note", {"n": "<script>"}, to=[topic("global")], ack=True)
    until_sequenced()
    event = Event.objects.get()
    Receipt.objects.create(event_id=event.event_id, user=user, transport="a transport")

    without = visit(user, TRAIL, q="1").content.decode()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_event", "view_receipt"]))
    with_it = visit(user, TRAIL, q="1").content.decode()

    assert str(event.event_id) in without
    assert "a transport" not in without
    assert "a transport" in with_it
    assert "&lt;script&gt;" in with_it


# What waits for other processes, on a real server


class Desk:
    """A browser without a browser: signed in, with a CSRF token."""

    def __init__(self, url: str, user: User) -> None:
        client = Client()
        client.force_login(user)
        client.get(CONNECTIONS)
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        cookies["csrftoken"] = "x" * 32
        self.http = httpx.Client(base_url=url, timeout=10, trust_env=False, cookies=cookies)

    def ask(self, **query: str) -> Any:
        return self.http.get(DATA, params=query)

    def send(self, token: str = "x" * 32, **fields: str) -> Any:
        return self.http.post(CLOSE, data=fields, headers={"X-CSRFToken": token})


@pytest.fixture
def desk(server: str) -> Iterator[Callable[[User], Desk]]:
    """``desk(admin)``: somebody at the connections."""
    opened: list[Desk] = []

    def sit(user: User) -> Desk:
        opened.append(Desk(server, user))
        return opened[-1]

    yield sit
    for each in opened:
        each.http.close()


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer.json()["connections"]]


def test_a_connection_is_listed_with_what_is_known_of_it(
    admin: User, alice: User, desk: Callable[[User], Desk], open_stream: Callable[..., Any]
) -> None:
    greeted = open_stream(alice).next("Connected")

    answer = desk(admin).ask()

    (one,) = answer.json()["connections"]
    assert (one["name"], one["transport"], one["address"]) == ("alice", "sse", "127.0.0.1")
    assert one["id"] == greeted.data["data"]["connection_id"]
    assert one["topics"] == sorted(greeted.data["data"]["topics"])
    assert (answer.json()["total"], answer.json()["next"], one["behind"]) == (1, None, 0)


def test_connections_are_found_by_the_name_of_their_user(
    admin: User, alice: User, bob: User, desk: Callable[[User], Desk], open_stream: Callable[..., Any]
) -> None:
    for user in (alice, bob):
        open_stream(user).next("Connected")
    by_name, by_id = desk(admin).ask(user="bob"), desk(admin).ask(user=str(bob.pk))

    assert [each["name"] for each in by_name.json()["connections"]] == ["bob"]
    assert ids(by_name) == ids(by_id)
    assert desk(admin).ask(user="nobody").status_code == 400
    assert desk(admin).ask(user="no\0body").status_code == 400
    assert desk(admin).ask(after="x.y").status_code == 400
    assert desk(admin).ask(after=f"{2**64}.y").status_code == 400


@pytest.mark.parametrize(
    ("rights", "asked", "sent"),
    [
        ([], 403, 403),
        (["disconnect"], 403, 403),
        (["view_operations"], 200, 403),
        (["view_operations", "disconnect"], 200, 200),
    ],
)
def test_who_may_not_see_or_send_away_is_refused_and_nothing_happens(
    rights: list[str],
    asked: int,
    sent: int,
    staff: Callable[..., User],
    alice: User,
    desk: Callable[[User], Desk],
    open_stream: Callable[..., Any],
) -> None:
    stream = open_stream(alice)
    greeted = stream.next("Connected")
    stan = desk(staff(*rights))

    answers = (
        stan.ask().status_code,
        stan.send(how="connection", connection=greeted.data["data"]["connection_id"]).status_code,
    )

    assert answers == (asked, sent)
    assert LogEntry.objects.count() == (1 if sent == 200 else 0)


def test_strangers_and_members_of_no_staff_are_refused(alice: User, desk: Callable[[User], Desk], server: str) -> None:
    at_alice = desk(alice)

    assert (at_alice.ask().status_code, at_alice.send(how="user", user=str(alice.pk)).status_code) == (401, 401)
    assert httpx.get(f"{server}{DATA}", trust_env=False).status_code == 401


def test_without_a_token_of_the_page_and_by_get_nothing_happens(
    admin: User, alice: User, desk: Callable[[User], Desk], open_stream: Callable[..., Any]
) -> None:
    open_stream(alice).next("Connected")
    at_desk = desk(admin)

    forged = at_desk.send(token="y" * 32, how="user", user=str(alice.pk))
    by_get = at_desk.http.get(CLOSE, params={"how": "user", "user": str(alice.pk)})

    assert (forged.status_code, by_get.status_code) == (403, 405)
    assert at_desk.ask().json()["total"] == 1
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("fields", [{}, {"how": "connection"}, {"how": "user"}, {"how": "everybody", "user": "x"}])
def test_an_order_that_says_not_whom_is_refused(
    fields: dict[str, str], admin: User, desk: Callable[[User], Desk]
) -> None:
    answer = desk(admin).send(**fields)

    assert answer.status_code == 400
    assert LogEntry.objects.count() == 0


def test_one_connection_is_closed_in_a_way_that_lets_it_come_back_and_that_is_noted(
    admin: User, alice: User, desk: Callable[[User], Desk], open_stream: Callable[..., Any]
) -> None:
    going, staying = open_stream(alice), open_stream(alice)
    connection = going.next("Connected").data["data"]["connection_id"]
    other = staying.next("Connected").data["data"]["connection_id"]

    answer = desk(admin).send(how="connection", connection=connection)

    assert answer.json() == {"closed": 1}
    assert going.next("Close").data["code"] == 1012
    assert ids(desk(admin).ask()) == [other]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (admin, str(alice.pk))
    assert "sse 127.0.0.1" in entry.change_message


def test_a_user_who_is_signed_out_is_closed_for_good_and_that_is_noted(
    admin: User, alice: User, bob: User, desk: Callable[[User], Desk], open_stream: Callable[..., Any]
) -> None:
    streams = {user: open_stream(user) for user in (alice, bob)}
    for stream in streams.values():
        stream.next("Connected")
    at_desk = desk(admin)

    answer = at_desk.send(how="sign_out", user=str(alice.pk))

    assert answer.json() == {"closed": None}
    assert streams[alice].next("Close").data["code"] == 4503
    alice.refresh_from_db()
    assert alice.sign_outs == 1
    wait_until(lambda: [each["name"] for each in at_desk.ask().json()["connections"]] == ["bob"])
    assert [(entry.user, entry.object_id) for entry in LogEntry.objects.all()] == [(admin, str(alice.pk))]


def test_nobody_is_signed_out_who_is_not_there_or_where_nobody_can(
    admin: User, alice: User, desk: Callable[[User], Desk], settings: Settings
) -> None:
    unknown = desk(admin).send(how="sign_out", user="nobody")
    settings.REALTIME = {**settings.REALTIME, "SIGN_OUT": ""}
    unable = desk(admin).send(how="sign_out", user=str(alice.pk))

    assert (unknown.status_code, unable.status_code) == (404, 400)
    alice.refresh_from_db()
    assert alice.sign_outs == 0
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("path", [DATA, CLOSE])
def test_a_process_that_ends_or_has_not_heard_of_the_log_says_so(
    path: str, admin: User, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Hub) -> None:
        raise ProtocolError("draining")

    monkeypatch.setattr(Hub, "ready", refuse)
    client.force_login(admin)

    options = {"headers": {"Accept-Language": "zh-CN"}}
    body = {"how": "user", "user": str(admin.pk)}
    answer = client.get(path, **options) if path == DATA else client.post(path, body, **options)

    assert answer.status_code == 503
    assert re.search("[\u4e00-\u9fff]", answer.json()["detail"])
