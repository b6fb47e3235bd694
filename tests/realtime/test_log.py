"""One order for all that was committed: no hole, nothing lost, and what is read of it is what was published."""

from __future__ import annotations

from datetime import timedelta
from threading import Event as Flag
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime import log
from realtime.controls import control_entries
from realtime.models import Event, Outgoing, TopicHead
from realtime.outbox import control_topic, end_sessions, publish, rights_changed
from realtime.protocol.cursor import Cursor
from tests.realtime.concurrently import all_at_once
from tests.realtime.growing import TOPICS, A, B, C, drain, fill, numbers, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

# Sequencing


def test_committed_events_get_the_next_places_in_the_order_they_were_published() -> None:
    tell(1, to=[A, B])
    tell(2, to=[B])
    batch = log.sequence()

    assert batch is not None
    assert (batch.epoch, batch.first, batch.last) == (log.head().epoch, 1, 3)
    assert [(entry.position, entry.topic, entry.seq) for entry in batch.entries] == [(1, A, 1), (2, B, 1), (3, B, 2)]
    assert numbers(batch.entries) == [1, 1, 2]
    assert batch.entries == log.read(0).entries
    assert not Outgoing.objects.exists()

    tell(3, to=[A])
    batch = log.sequence()

    assert batch is not None
    assert [(entry.position, entry.topic, entry.seq) for entry in batch.entries] == [(4, A, 2)]


def test_who_comes_second_finds_nothing_to_do() -> None:
    tell()
    log.sequence()
    before = log.head()

    assert log.sequence() is None
    assert log.head() == before


def test_one_turn_takes_no_more_than_its_bound_and_the_next_goes_on_behind_it() -> None:
    for number in range(1, 6):
        tell(number)

    batches = [log.sequence(limit=2) for _ in range(4)]

    assert [numbers(batch.entries) if batch else None for batch in batches] == [[1, 2], [3, 4], [5], None]
    assert numbers(log.read(0).entries) == [1, 2, 3, 4, 5]


def test_the_head_names_its_newest_entry_so_that_a_cursor_knows_it_again() -> None:
    assert log.head().cursor == Cursor(log.head().epoch, 0, 0)

    fill(2)

    newest = log.read(1).entries[0]
    assert log.head().cursor == Cursor(log.head().epoch, 2, newest.check)
    assert log.present_cursor() == log.head().cursor.encode()
    assert [log.check_at(position) for position in (0, 2, 3)] == [0, newest.check, None]


def test_a_turn_that_fails_half_way_has_done_nothing() -> None:
    tell(1)

    def fail_once_it_is_in_the_log(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if f"INSERT INTO {Event._meta.db_table}" in sql:
            raise OperationalError("the connection is gone")
        return result

    with connection.execute_wrapper(fail_once_it_is_in_the_log), pytest.raises(OperationalError):
        log.sequence()

    assert (Outgoing.objects.count(), Event.objects.count(), TopicHead.objects.count()) == (1, 0, 0)
    assert log.head().position == 0

    log.sequence()

    assert numbers(log.read(0).entries) == [1]


@pytest.mark.parametrize("count", [1, 40])
def test_sequencing_takes_the_same_few_statements_however_much_waits(count: int) -> None:
    log.head()
    for number in range(count):
        tell(number, to=[A, B])

    with CaptureQueriesContext(connection) as asked:
        log.sequence()

    own = [query["sql"] for query in asked if not query["sql"].startswith(("BEGIN", "COMMIT"))]
    # PostgreSQL: hold the head, all the rest. SQLite: head, rows, seqs; entries, seqs, rows, head.
    assert len(own) == (2 if connection.vendor == "postgresql" else 7)
    assert len(log.read(0).entries) == 2 * count


def test_whatever_a_row_holds_is_in_the_log_as_it_was_published() -> None:
    until = timezone.now() + timedelta(days=1)
    topics = [control_topic('who\'s-"x"-%s-{a,b}-\\'), A]
    with transaction.atomic():
        publish("Note", {"text": "100 % of \\ 'it' \u2028 \U0001f600"}, to=topics, ack=True, expires=until)
    row = Outgoing.objects.get()

    batch = log.sequence()

    assert batch is not None
    assert batch.entries == log.read(0).entries
    assert [(entry.topic, entry.id, entry.data, entry.ack) for entry in batch.entries] == [
        (topic, str(row.event_id), row.data, True) for topic in row.topics.split(" ")
    ]
    assert [(event.timestamp, event.expires) for event in Event.objects.all()] == [(row.timestamp, until)] * 2
    assert log.heads(topics)[1] == dict.fromkeys(topics, 1)


# Reading


def test_a_page_is_bounded_and_of_the_topics_asked_for() -> None:
    tell(1, to=[A, B])
    tell(2, to=[C])
    tell(3, to=[A])
    drain()

    assert numbers(log.read(0, limit=2).entries) == [1, 1]
    assert numbers(log.read(0, topics=[A, C]).entries) == [1, 2, 3]
    assert numbers(log.read(1, upto=3, topics=[A, C]).entries) == [2]
    assert log.read(0, topics=[]).entries == []
    assert log.read(4).entries == []
    assert log.read(4).head == log.head()


def test_heads_are_those_of_the_topics_at_the_position() -> None:
    tell(1, to=[A, B])
    tell(2, to=[A])
    drain()

    assert log.heads([A, B, C]) == (log.head(), {A: 2, B: 1, C: 0})
    assert log.heads([]) == (log.head(), {})


def test_heads_of_a_log_that_has_not_begun_are_nothing() -> None:
    head, seqs = log.heads([A])

    assert (head.position, head.check, head.floor, seqs) == (0, 0, 0, {A: 0})
    assert log.head() == head


def test_heads_fit_together_while_the_log_grows() -> None:
    grown = Flag()

    def grow() -> None:
        for number in range(40):
            tell(number, to=TOPICS[: 1 + number % 3])
            drain()
        grown.set()

    def look() -> list[bool]:
        looks = []
        while not grown.is_set():
            head, seqs = log.heads(TOPICS)
            looks.append(sum(seqs.values()) == head.position)
        return looks

    _, looks = all_at_once([grow, look])

    assert looks
    assert all(looks)


def test_the_place_of_a_seq_is_the_one_behind_which_the_next_comes_first() -> None:
    for name in (A, B, A, B, A):
        tell(to=[name])
    drain()

    assert [log.place_of(A, after) for after in range(4)] == [0, 2, 4, None]
    assert log.seqs_before({A: 2, B: 4}) == {A: 1}
    assert log.seqs_before({}) == {}


def test_control_entries_are_those_of_one_user_in_order() -> None:
    with transaction.atomic():
        rights_changed("u1", gained=[A])
        end_sessions("u2")
        end_sessions("u1")
    drain()

    assert [entry.position for entry in control_entries("u1", 0)] == [1, 3]
    assert [entry.position for entry in control_entries("u1", 1)] == [3]
    assert all(entry.is_control and entry.topic == control_topic("u1") for entry in control_entries("u1", 0))


def test_a_new_epoch_changes_the_name_of_the_history_and_nothing_else() -> None:
    fill(3)
    before = log.head()

    name = log.new_epoch()

    after = log.head()
    assert after.epoch == name != before.epoch
    assert (after.position, after.check, after.floor) == (before.position, before.check, before.floor)
    assert numbers(log.read(0).entries) == [1, 2, 3]
