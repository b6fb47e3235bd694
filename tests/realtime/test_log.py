"""One order for all that was committed: no hole, nothing lost, what builds on something behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime import log
from realtime.log import AnotherHistory
from realtime.models import Event, LogHead, Outgoing, TopicHead
from realtime.outbox import control_topic, end_sessions, publish, rights_changed
from realtime.protocol.cursor import Cursor
from realtime.protocol.entry import Entry
from realtime.relay import relay
from realtime.topics import Topic, topic
from tests import servers
from tests.realtime.concurrently import PATIENCE, all_at_once, beside, until_somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    servers.database() != servers.POSTGRESQL, reason="SQLite lets one writer in at a time"
)

TOPICS = [topic("family", UUID(int=number)) for number in (10, 11, 12)]
A, B, C = TOPICS


@pytest.fixture(autouse=True)
def sleeping_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests sequence by themselves."""
    monkeypatch.setattr(relay, "wake", lambda: None)


def tell(number: int = 0, *, to: list[Topic] | None = None, **options: Any) -> None:
    with transaction.atomic():
        publish("Note", {"n": number}, to=to or [A], **options)


def fill(count: int, *, to: list[Topic] | None = None) -> None:
    """Give the log ``count`` more events, numbered by their positions."""
    start = log.head().position
    with transaction.atomic():
        for number in range(start + 1, start + count + 1):
            publish("Note", {"n": number}, to=to or [A])
    drain()


def drain() -> None:
    while log.sequence():
        pass


def numbers(entries: list[Entry]) -> list[int]:
    return [json.loads(entry.data)["n"] for entry in entries]


def backdate(upto: int, age: timedelta = timedelta(days=30)) -> None:
    Event.objects.filter(position__lte=upto).update(timestamp=timezone.now() - age)


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


def sequence_until(done: Flag) -> None:
    """Do what the relay of one process does, without its pauses."""
    while not done.is_set() or log.waiting() is not None:
        with suppress(DatabaseError):
            if log.sequence() is None:
                done.wait(0.005)


def follow_until(done: Flag) -> list[Entry]:
    """Read what is behind the newest place one knows, as every reader does."""
    seen: list[Entry] = []
    position = 0
    while True:
        was_done = done.is_set()
        page = log.read(position)
        seen += page.entries
        if page.entries:
            position = page.entries[-1].position
        elif was_done:
            return seen
        else:
            done.wait(0.002)


def test_eight_writers_and_two_relays_make_one_log_in_which_nothing_is_missing_or_out_of_order() -> None:
    written, sequenced = Flag(), Flag()
    committed: list[tuple[int, int]] = []  # in the order of the commits, as far as anybody could know
    known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def write(writer: int) -> None:
        for turn in range(15):
            name = (writer, turn)
            known[name] = committed.copy()
            with transaction.atomic():
                # In opposite orders, and on one topic that all of them use.
                publish("Note", {"n": name}, to=[A, TOPICS[1 + writer % 2]])
                publish("Note", {"n": name}, to=[TOPICS[2 - writer % 2]])
            committed.append(name)

    def write_all() -> None:
        all_at_once([partial(write, writer) for writer in range(8)])
        written.set()

    def sequence_all() -> None:
        all_at_once([lambda: sequence_until(written)] * 2)
        sequenced.set()

    _, _, seen = all_at_once([write_all, sequence_all, lambda: follow_until(sequenced)])

    assert [entry.position for entry in seen] == list(range(1, 8 * 15 * 3 + 1))
    for name in TOPICS:
        assert [entry.seq for entry in seen if entry.topic == name] == list(range(1, 8 * 15 + 1))
    places: dict[tuple[int, int], list[int]] = {}
    for entry in seen:
        places.setdefault(tuple(json.loads(entry.data)["n"]), []).append(entry.position)
    assert {name: len(found) for name, found in places.items()} == {(w, t): 3 for w in range(8) for t in range(15)}
    for name, earlier in known.items():
        assert all(max(places[each]) < min(places[name]) for each in earlier)
    assert log.head().position == seen[-1].position
    assert dict(TopicHead.objects.values_list("topic", "seq")) == dict.fromkeys(TOPICS, 8 * 15)


@on_postgresql
def test_what_began_after_a_long_transaction_had_committed_comes_after_it() -> None:
    told, may_commit = Flag(), Flag()

    def tell_slowly() -> None:
        with transaction.atomic():
            publish("Note", {"n": 1}, to=[A])
            told.set()
            may_commit.wait(PATIENCE)

    with beside(tell_slowly) as slow:
        told.wait(PATIENCE)
        tell(2)
        drain()
        assert numbers(log.read(0).entries) == [2]  # nobody waits for what is not committed
        may_commit.set()
        slow.result()
        tell(3)
        drain()

    assert numbers(log.read(0).entries) == [2, 1, 3]


@pytest.mark.parametrize("waits", ["reading", pytest.param("writing", marks=on_postgresql)])
def test_a_long_transaction_elsewhere_delays_nobody(waits: str) -> None:
    begun, over = Flag(), Flag()

    def dawdle() -> None:
        with transaction.atomic() if waits == "writing" else reading():
            list(Outgoing.objects.all())
            if waits == "writing":
                publish("Note", {"n": 0}, to=[A])
            begun.set()
            over.wait(PATIENCE)

    with beside(dawdle):
        begun.wait(PATIENCE)
        started = time.monotonic()
        for number in (1, 2):
            tell(number)
            drain()
        elapsed = time.monotonic() - started
        found = numbers(log.read(0).entries)
        over.set()

    assert found == [1, 2]
    assert elapsed < 1


@contextmanager
def reading() -> Iterator[None]:
    """A transaction that only reads, and keeps its view of the database."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN" if connection.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        yield
        cursor.execute("ROLLBACK")


@on_postgresql
def test_who_finds_the_head_held_gives_up_in_time_and_succeeds_later() -> None:
    held, let_go = Flag(), Flag()
    fill(1)
    tell(2)

    def hold() -> None:
        with transaction.atomic():
            LogHead.objects.select_for_update().get()
            held.set()
            let_go.wait(PATIENCE)

    with beside(hold):
        held.wait(PATIENCE)
        started = time.monotonic()
        with override_settings(REALTIME={"HEAD_TIMEOUT": 0.3}), pytest.raises(OperationalError):
            log.sequence()
        elapsed = time.monotonic() - started
        tell(3)  # publishing needs no head
        let_go.set()
    drain()

    assert 0.3 <= elapsed < 2
    assert numbers(log.read(0).entries) == [1, 2, 3]


@on_postgresql
def test_a_relay_frozen_while_it_holds_the_head_is_cut_off_and_others_go_on() -> None:
    fill(1)
    tell(2)
    frozen, thawed = Flag(), Flag()

    def freeze(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if "FOR UPDATE" in sql:  # it has the head now
            frozen.set()
            thawed.wait(PATIENCE)
        return result

    def sequence_and_freeze() -> str:
        with connection.execute_wrapper(freeze):
            try:
                log.sequence()
            except DatabaseError:
                return "cut off"
        return "went through"

    with beside(sequence_and_freeze) as first:
        frozen.wait(PATIENCE)
        started = time.monotonic()
        while True:
            with suppress(OperationalError):
                log.sequence()
                break
        elapsed = time.monotonic() - started
        thawed.set()

    assert first.result() == "cut off"
    assert elapsed < 2.5
    assert numbers(log.read(0).entries) == [1, 2]


@on_postgresql
def test_sequencing_sees_what_the_last_holder_of_the_head_did_whatever_the_isolation_of_the_project() -> None:
    fill(1)
    tell(2)
    ready, let_go = Flag(), Flag()

    def sequence_second() -> str:
        own = connections["default"]
        own.ensure_connection()
        usual = own.isolation_level
        own.isolation_level = type(own.isolation_level).REPEATABLE_READ
        own.connection.isolation_level = own.isolation_level
        try:
            log.sequence()
        finally:  # the connection goes back to the pool, where the next would find it so
            own.isolation_level = own.connection.isolation_level = usual
        return "done"

    def sequence_first(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if "FOR UPDATE" in sql:
            ready.set()
            let_go.wait(PATIENCE)
        return result

    def first() -> None:
        with connection.execute_wrapper(sequence_first):
            log.sequence()

    with beside(first) as one:
        ready.wait(PATIENCE)
        with beside(sequence_second) as two:
            until_somebody_waits_for_a_lock()
            let_go.set()

    assert (one.result(), two.result()) == (None, "done")
    assert numbers(log.read(0).entries) == [1, 2]


def test_two_who_begin_a_log_at_once_begin_the_same() -> None:
    tell(1)

    heads = all_at_once([log.head] * 4 + [partial(sequence_until, ready())] * 2)

    assert len({head.epoch for head in heads if head}) == 1
    assert LogHead.objects.get().epoch == heads[0].epoch
    assert numbers(log.read(0).entries) == [1]


@on_postgresql
def test_who_finds_the_log_just_begun_by_another_holds_its_head_too() -> None:
    tell(1)
    begun, let_go = Flag(), Flag()
    looks: list[bool] = []

    def begin_slowly(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if sql.startswith("INSERT") and LogHead._meta.db_table in sql:
            begun.set()
            let_go.wait(PATIENCE)
        return result

    def look_who_holds_it(execute: Any, sql: str, *args: Any) -> Any:
        if Outgoing._meta.db_table in sql and not looks:
            looks.extend(all_at_once([head_is_held]))
        return execute(sql, *args)

    with beside(partial(sequence_within, begin_slowly)) as one:
        begun.wait(PATIENCE)
        with beside(partial(sequence_within, look_who_holds_it)) as two:
            until_somebody_waits_for_a_lock()
            tell(2)
            let_go.set()

    assert (one.result(), two.result()) == (None, None)
    assert looks == [True]
    assert numbers(log.read(0).entries) == [1, 2]


def sequence_within(wrapper: Any) -> None:
    with connection.execute_wrapper(wrapper):
        log.sequence()


def head_is_held() -> bool:
    try:
        with transaction.atomic():
            LogHead.objects.select_for_update(nowait=True).get()
    except OperationalError:
        return True
    return False


def ready() -> Flag:
    flag = Flag()
    flag.set()
    return flag


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

    assert [entry.position for entry in log.control_entries("u1", 0)] == [1, 3]
    assert [entry.position for entry in log.control_entries("u1", 1)] == [3]
    assert all(entry.is_control and entry.topic == control_topic("u1") for entry in log.control_entries("u1", 0))


# Following


def follow(entry: Entry | None = None) -> log.Page:
    """Follow from behind ``entry``, which may be no longer what the log says."""
    place = (entry.position, entry.check) if entry else (0, 0)
    return log.follow(*place, log.head().epoch)


@pytest.mark.parametrize("page", [1, 2, 500])
def test_a_follower_reads_everything_whatever_the_size_of_a_page(page: int) -> None:
    fill(5)
    seen: list[Entry] = []

    with override_settings(REALTIME={"PAGE": page}):
        for _ in range(6):
            seen += follow(seen[-1] if seen else None).entries

    assert numbers(seen) == [1, 2, 3, 4, 5]


def test_at_rest_following_asks_one_question(django_assert_num_queries: Any) -> None:
    fill(3)
    newest, epoch = log.read(2).entries[0], log.head().epoch

    with django_assert_num_queries(1):
        assert log.follow(newest.position, newest.check, epoch).entries == []


def went_back() -> None:
    """Restore what was there when the log had two entries."""
    Event.objects.filter(position__gt=2).delete()
    LogHead.objects.update(position=2, check_bits=log.check_at(2))


def went_back_and_grew() -> None:
    went_back()
    TopicHead.objects.update(seq=2)
    fill(4)


def went_back_and_grew_as_far() -> None:
    went_back()
    TopicHead.objects.update(seq=2)
    fill(1)


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (log.new_epoch, "epoch"),
        (went_back, "epoch"),
        (went_back_and_grew, "epoch"),
        (went_back_and_grew_as_far, "epoch"),
        (lambda: (fill(3), backdate(5), prune()), "trimmed"),
        (lambda: (fill(3), backdate(4), prune()), "trimmed"),
    ],
    ids=[
        "new epoch",
        "went back",
        "went back and grew",
        "went back and grew as far",
        "pruned past",
        "pruned up to the next",
    ],
)
def test_a_follower_notices_another_history(happened: Callable[[], Any], reason: str) -> None:
    fill(3)
    newest, epoch = log.read(2).entries[0], log.head().epoch
    happened()

    with pytest.raises(AnotherHistory) as noticed:
        log.follow(newest.position, newest.check, epoch)

    assert noticed.value.reason == reason


def test_a_follower_at_the_floor_goes_on() -> None:
    fill(3)
    newest = log.read(2).entries[0]
    backdate(3)
    log.prune(timezone.now() - timedelta(days=1))
    fill(2)

    assert numbers(log.follow(newest.position, newest.check, log.head().epoch).entries) == [4, 5]


# Pruning


def prune(before: datetime | None = None) -> int:
    return log.prune(before or timezone.now() - timedelta(days=1))


def kept() -> list[int]:
    return list(Event.objects.order_by("position").values_list("position", flat=True))


def test_what_is_older_goes_and_the_entry_at_the_floor_stays() -> None:
    fill(5)
    backdate(3)

    assert prune() == 2

    assert log.head().floor == 3
    assert kept() == [3, 4, 5]
    assert prune() == 0
    assert log.head().position == 5


def test_a_young_entry_keeps_what_stands_behind_it_whatever_the_clocks_say() -> None:
    fill(5)
    backdate(5)
    Event.objects.filter(position=3).update(timestamp=timezone.now())

    prune()

    assert log.head().floor == 2
    assert kept() == [2, 3, 4, 5]


def test_a_log_of_which_all_is_old_keeps_its_newest_entry() -> None:
    fill(3)
    backdate(3)

    assert prune() == 2

    assert (log.head().floor, log.head().position, kept()) == (3, 3, [3])


def test_an_empty_log_can_be_pruned() -> None:
    assert prune() == 0
    assert log.head().floor == 0


def test_what_waits_for_an_acknowledgement_stays_until_it_expires() -> None:
    tell(1, ack=True)
    tell(2, ack=True, expires=timezone.now() + timedelta(days=1))
    tell(3, ack=True, expires=timezone.now() - timedelta(days=1))
    drain()
    fill(2)
    backdate(5)

    assert prune() == 2

    assert kept() == [1, 2, 5]
    assert log.head().floor == 5


def test_the_floor_has_risen_for_everyone_before_anything_goes() -> None:
    fill(6)
    backdate(5)
    floors: list[int] = []

    def look(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("DELETE"):
            floors.append(all_at_once([lambda: log.head().floor])[0])
        return execute(sql, *args)

    with connection.execute_wrapper(look), override_settings(REALTIME={"PRUNE_BATCH": 2}):
        assert prune() == 4

    assert floors == [5, 5]


def test_a_page_that_lacks_something_shows_a_floor_above_where_it_began() -> None:
    fill(60)
    backdate(50)
    pruned = Flag()

    def read_all_the_time() -> list[str]:
        pages = []
        while not pruned.is_set():
            page = log.read(0)
            whole = [entry.position for entry in page.entries] == list(range(1, 61))
            pages.append("whole" if whole else "announced" if page.head.floor > 0 else "silent")
        return pages

    def prune_slowly() -> None:
        with override_settings(REALTIME={"PRUNE_BATCH": 1}):
            prune()
        pruned.set()

    pages, _ = all_at_once([read_all_the_time, prune_slowly])

    assert "silent" not in pages


def test_a_new_epoch_changes_the_name_of_the_history_and_nothing_else() -> None:
    fill(3)
    before = log.head()

    name = log.new_epoch()

    after = log.head()
    assert after.epoch == name != before.epoch
    assert (after.position, after.check, after.floor) == (before.position, before.check, before.floor)
    assert numbers(log.read(0).entries) == [1, 2, 3]
