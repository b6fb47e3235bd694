"""One event is followed from its row to each receipt, by whatever is known of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from realtime import log
from realtime.desk import news, trail
from realtime.models import Event, Outgoing, Receipt
from realtime.outbox import end_sessions, publish
from realtime.topics import topic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

GLOBAL, STAFF = topic("global"), topic("staff")
ROW = "0b0a6e0e-8f3c-4d0c-9a55-1f5f0a3f7c11"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A note is about the board that it names."""
    monkeypatch.setitem(news._models, "Note", {"app.board": "board_id"})


def say(*, to: Any = (GLOBAL,), sequenced: bool = True, **fields: Any) -> uuid.UUID:
    """Publish one event of a board and return its id."""
    with transaction.atomic():
        publish("Note", {"board_id": ROW, **fields.pop("data", {})}, to=to, **fields)
    event_id: uuid.UUID = Outgoing.objects.latest("id").event_id
    while sequenced and log.sequence():
        pass
    return event_id


def test_it_is_found_by_its_position_on_any_of_its_topics() -> None:
    event_id = say(to=[GLOBAL, STAFF])

    by_first, by_second = trail.find("1"), trail.find(" 2 ")

    assert [each.event_id for each in by_first] == [each.event_id for each in by_second] == [event_id]
    assert by_first[0].places == [trail.Place("global", 1, 1), trail.Place("staff", 2, 1)]
    assert by_first[0].rows == [("app.board", ROW)]


def test_it_is_found_by_its_id_among_others() -> None:
    say()
    event_id = say(to=[STAFF])
    say()

    (found,) = trail.find(str(event_id))

    assert (found.event_id, found.places) == (event_id, [trail.Place("staff", 2, 1)])


def test_what_waits_is_found_in_the_outbox_by_its_id_and_by_its_row() -> None:
    event_id = say(to=[GLOBAL, STAFF], sequenced=False)

    for text in (str(event_id), ROW):
        (found,) = trail.find(text)

        assert found.waits
        assert (found.sequenced, found.took) == (None, None)
        assert found.places == [trail.Place("global"), trail.Place("staff")]


def test_a_rows_events_are_found_newest_first_waiting_ones_ahead() -> None:
    ids = [say(), say(), say(sequenced=False)]

    found = trail.find(ROW)

    assert [each.event_id for each in found] == list(reversed(ids))
    assert [each.waits for each in found] == [True, False, False]


def test_a_row_that_nothing_told_of_is_not_found() -> None:
    say()

    assert trail.find(str(uuid.uuid4())) == []


@pytest.mark.parametrize("text", ["", "  ", "nonsense", "9" * 30, "-1", "2", "1; DROP TABLE", "٣"])
def test_what_means_no_event_finds_none(text: str) -> None:
    say()

    assert trail.find(text) == []


def test_only_the_newest_of_the_log_is_searched_for_a_row(settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "TRAIL_SPAN": 2}
    ids = [say() for _ in range(4)]

    assert [each.event_id for each in trail.find(ROW)] == [ids[3], ids[2]]


def test_one_search_shows_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MOST_EVENTS", 3)
    ids = [say() for _ in range(5)]

    assert [each.event_id for each in trail.find(ROW)] == list(reversed(ids))[:3]


def test_no_more_of_the_outbox_is_read_than_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "MOST_EVENTS", 2)
    for _ in range(3):
        say(sequenced=False)

    with CaptureQueriesContext(connection) as asked:
        trail.find(ROW)

    looks = [each["sql"] for each in asked if 'FROM "realtime_outgoing"' in each["sql"]]
    assert len(looks) == 2  # for an event of that id, and for the row
    assert all("LIMIT 2" in look for look in looks)


def test_the_time_of_its_place_follows_that_of_publishing() -> None:
    before = timezone.now()
    say()

    (found,) = trail.find("1")

    assert found.sequenced is not None and found.took is not None
    assert before - timedelta(seconds=1) <= found.published
    assert found.published - timedelta(seconds=1) <= found.sequenced <= timezone.now() + timedelta(seconds=1)
    assert 0 <= found.took < 60_000


def test_what_was_logged_before_times_were_noted_is_found_all_the_same() -> None:
    say()
    Event.objects.update(sequenced_at=None)

    (found,) = trail.find("1")

    assert (found.sequenced, found.took, found.waits) == (None, None, False)


def test_its_receipts_are_there_in_order(alice: User, bob: User) -> None:
    event_id = say(ack=True)
    other = say(ack=True)
    for user, which in ((bob, event_id), (alice, event_id), (bob, other)):
        Receipt.objects.create(event_id=which, user=user, transport="sse")

    (found,) = trail.find("1")

    assert [receipt.user for receipt in found.receipts] == [bob, alice]


def test_entries_about_rights_are_nobodys_business(alice: User) -> None:
    with transaction.atomic():
        end_sessions(alice.pk)
    waiting = trail.find(str(Outgoing.objects.get().event_id))
    while log.sequence():
        pass

    assert waiting == []
    assert trail.find("1") == []
    assert trail.find(str(alice.pk)) == []
