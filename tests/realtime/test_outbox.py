"""What is published commits with the change it tells of, or not at all, and is written as it was said."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Family
from realtime import log
from realtime.models import Event, Outgoing
from realtime.outbox import (
    OutsideTransaction,
    WrongDatabase,
    control_topic,
    end_sessions,
    publish,
    rights_changed,
)
from realtime.topics import InvalidTopic, Topic, topic
from tests.realtime.growing import A, B
from tests.realtime.saying import RollBack, waiting

pytestmark = pytest.mark.django_db

# Inside the transaction


@pytest.mark.django_db(transaction=True)
def test_publishing_outside_a_transaction_is_refused() -> None:
    with pytest.raises(OutsideTransaction, match=r"transaction\.atomic\(\)"):
        publish("Note", {}, to=[A])

    assert waiting() == []


def test_publishing_for_another_database_is_refused() -> None:
    with pytest.raises(WrongDatabase, match="'archive'"):
        publish("Note", {}, to=[A], using="archive")

    assert waiting() == []


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_transaction_leaves_no_event() -> None:
    with suppress(RollBack), transaction.atomic():
        Family.objects.create(name="Stone")
        publish("Note", {}, to=[A])
        raise RollBack

    assert waiting() == []
    assert log.head().position == 0


def test_a_rolled_back_savepoint_leaves_what_was_published_around_it() -> None:
    publish("Note", {"n": 1}, to=[A])
    with suppress(RollBack), transaction.atomic():
        publish("Note", {"n": 2}, to=[A])
        raise RollBack
    publish("Note", {"n": 3}, to=[A])

    assert waiting() == [("A", {"n": 1}), ("A", {"n": 3})]


@pytest.mark.django_db(transaction=True)
def test_what_was_published_in_a_savepoint_only_is_sequenced_after_the_commit() -> None:
    with transaction.atomic():
        with suppress(RollBack), transaction.atomic():
            publish("Note", {"n": 1}, to=[A])
            raise RollBack
        with transaction.atomic():
            publish("Note", {"n": 2}, to=[A])
    while log.sequence():
        pass

    assert [json.loads(data) for data in Event.objects.values_list("data", flat=True)] == [{"n": 2}]


# What is written


def test_an_event_on_several_topics_waits_once_and_has_one_id_on_each() -> None:
    publish("Note", {"n": 1}, to=[A, B, A])

    assert waiting() == [("AB", {"n": 1})]

    log.sequence()

    assert sorted(Event.objects.values_list("topic", "seq")) == sorted([(A, 1), (B, 1)])
    assert Event.objects.values("event_id").distinct().count() == 1


def test_an_event_for_nobody_is_not_written() -> None:
    publish("Note", {"n": 1}, to=[])
    rights_changed(UUID(int=1))

    assert waiting() == []


def test_values_are_written_exactly() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    publish("Note", {"amount": Decimal("1000.00"), "id": UUID(int=7), "at": moment, "none": None, "ü": [1]}, to=[A])

    assert Outgoing.objects.get().data == (
        '{"amount":"1000.00","id":"00000000-0000-0000-0000-000000000007",'
        '"at":"2026-01-02T03:04:05.678Z","none":null,"ü":[1]}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), datetime(2026, 1, 2), "\ud800"])  # noqa: DTZ001
def test_values_that_json_cannot_hold_are_refused(value: object) -> None:
    with pytest.raises(ValueError):
        publish("Note", {"value": value}, to=[A])

    assert waiting() == []


@pytest.mark.parametrize(
    "text",
    ["", "family", "family:1", f"{A} {B}", "family:" + "x" * 100, "unknown:1", A.upper(), "control:", "control:a b"],
)
def test_a_topic_that_is_none_is_refused_as_it_would_stop_the_log(text: str) -> None:
    with pytest.raises(InvalidTopic):
        publish("Note", {}, to=[A, Topic(text)])

    assert waiting() == []


def test_one_topic_given_as_text_is_refused_and_not_taken_letter_by_letter() -> None:
    with pytest.raises(InvalidTopic):
        publish("Note", {}, to=A)

    assert waiting() == []


@pytest.mark.parametrize("type", ["", "Two Words", "Two\nLines", "X" * 65])
def test_a_type_that_is_no_name_is_refused_as_it_would_break_a_stream(type: str) -> None:
    with pytest.raises(ValueError):
        publish(type, {}, to=[A])

    assert waiting() == []


def test_acknowledgement_and_expiry_reach_the_log() -> None:
    until = timezone.now() + timedelta(days=1)
    publish("Note", {}, to=[A], ack=True, expires=until)

    log.sequence()

    event = Event.objects.get()
    assert (event.ack, event.expires) == (True, until)


def test_control_entries_stand_on_a_topic_that_no_client_can_name() -> None:
    rights_changed("u1", gained=[A], lost=[B])
    end_sessions("u1")

    assert [row.topics for row in Outgoing.objects.order_by("pk")] == ["control:u1", "control:u1"]
    rights, ended = (json.loads(row.data) for row in Outgoing.objects.order_by("pk"))
    assert rights == {"user_id": "u1", "gained": [A], "lost": [B]}
    assert ended == {"user_id": "u1"}
    with pytest.raises(InvalidTopic):
        topic("control", UUID(int=1))
    assert control_topic("u1") == "control:u1"
