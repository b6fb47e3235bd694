"""The background of a process: what is committed gets its place, whatever fails or ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from prometheus_client import REGISTRY

from config.services.waiting import wait_until
from realtime import log
from realtime.models import LogHead, Outgoing
from realtime.outbox import publish
from realtime.protocol.entry import Batch
from realtime.relay import CLOSE, Relay
from realtime.topics import topic
from tests import servers
from tests.realtime.concurrently import PATIENCE, all_at_once, beside
from tests.realtime.growing import all_numbers

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(servers.database() != servers.POSTGRESQL, reason="SQLite has no server to ask")

GLOBAL = topic("global")


@pytest.fixture
def other(sleeping_relay: None) -> Iterator[Relay]:
    """A relay of the test's own."""
    own = Relay()
    yield own
    own.stop(PATIENCE)


def tell(number: int = 0) -> None:
    with transaction.atomic():
        publish("Note", {"n": number}, to=[GLOBAL])


def until(condition: Callable[[], bool]) -> None:
    wait_until(condition, PATIENCE, lambda: f"it never came to pass; the log has {all_numbers()}")


def until_sequenced(count: int) -> None:
    until(lambda: log.head().position >= count)


def threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def errors() -> float:
    return REGISTRY.get_sample_value("realtime_sequence_errors_total") or 0.0


def is_asleep() -> bool:
    """Whether the relay's thread waits, with no end in sight."""
    (thread,) = (each for each in threading.enumerate() if each.name == "realtime-relay")
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name == "wait" and frame.f_locals.get("timeout") is None


@contextmanager
def without_a_head() -> Iterator[None]:
    """Make every sequencing fail, as while a database is migrated, restored or gone."""
    table = LogHead._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        yield
        cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


def test_what_is_committed_is_sequenced_by_the_process_that_committed_it() -> None:
    tell(1)

    until_sequenced(1)

    assert all_numbers() == [1]
    assert not Outgoing.objects.exists()


def test_a_horizon_of_another_history_holds_nothing_back_in_a_process_without_a_follower(other: Relay) -> None:
    # As after a restore: the outbox gives its ids anew, all of them below what this process has seen.
    other._horizon.id = 10**9
    for number in range(3):
        tell(number)
        other.wake()

    until_sequenced(3)

    assert all_numbers() == [0, 1, 2]


def test_a_storm_of_commits_is_one_thread_s_work() -> None:
    all_at_once([lambda: [tell(number) for number in range(10)]] * 8)

    until_sequenced(80)

    assert sorted(all_numbers()) == sorted(list(range(10)) * 8)
    assert threads("realtime-relay") == 1


def test_commits_in_close_order_share_a_transaction_and_the_first_wait_for_nothing(
    other: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Event()
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda seconds: together.wait(PATIENCE))
    monkeypatch.setattr("realtime.relay.time", clock)
    batches: list[Batch] = []

    tell(1)
    other.follow(batches.append)
    until(lambda: len(batches) == 1)
    for number in range(2, 1 + CLOSE):
        tell(number)
        other.wake()
        until(lambda: batches[-1].last == number)  # noqa: B023  (asked before the next)
    for number in range(1 + CLOSE, 4 + CLOSE):
        tell(number)
        other.wake()
    together.set()
    until(lambda: batches[-1].last == 3 + CLOSE)

    alone = [(number, number) for number in range(1, 1 + CLOSE)]
    assert [(batch.first, batch.last) for batch in batches] == [*alone, (1 + CLOSE, 3 + CLOSE)]


def test_whoever_follows_is_nudged_with_each_batch_in_order(other: Relay) -> None:
    batches: list[Batch] = []
    other.follow(batches.append)

    for number in range(3):
        tell(number)
        other.wake()
    until(lambda: bool(batches) and batches[-1].last == 3)

    assert [entry.position for batch in batches for entry in batch.entries] == [1, 2, 3]


def test_whoever_stops_following_is_nudged_no_more(other: Relay) -> None:
    class Follower:
        batches: list[Batch] = []

        def nudge(self, batch: Batch) -> None:
            self.batches.append(batch)

    follower = Follower()
    other.follow(follower.nudge)
    other.unfollow(follower.nudge)

    tell()
    other.wake()
    until_sequenced(1)
    other.stop(PATIENCE)

    assert follower.batches == []


def test_followers_of_several_threads_come_and_go_without_losing_one_another(other: Relay) -> None:
    staying: list[Batch] = []
    other.follow(staying.append)

    def come_and_go() -> None:
        mine: list[Batch] = []
        for _ in range(300):
            other.follow(mine.append)
            other.unfollow(mine.append)

    all_at_once([come_and_go] * 4)
    tell()
    other.wake()
    until(lambda: len(staying) == 1)

    assert staying[0].last == 1


def test_a_follower_that_fails_stops_neither_the_relay_nor_the_next(other: Relay) -> None:
    def fail(batch: Batch) -> None:
        raise ArithmeticError

    other.follow(fail)
    tell(1)
    other.wake()
    until_sequenced(1)
    other.unfollow(fail)
    tell(2)
    other.wake()
    until_sequenced(2)

    assert all_numbers() == [1, 2]


@pytest.mark.parametrize("busy_before", [False, True])
def test_what_a_dead_process_left_is_sequenced_by_the_tick_of_a_server(other: Relay, busy_before: bool) -> None:
    if busy_before:  # it has sequenced before anybody followed, and waits to be woken
        tell(1)
        other.wake()
        until_sequenced(1)
        until(is_asleep)
    other.follow(lambda batch: None)
    until(lambda: threads("realtime-relay") == 1)
    tell(2)

    until_sequenced(1 + busy_before)

    assert all_numbers()[-1] == 2


def test_a_failing_database_is_tried_again_until_it_answers(other: Relay) -> None:
    tell(1)
    tell(2)
    before = errors()
    with without_a_head():
        other.wake()
        until(lambda: errors() > before)

    until_sequenced(2)

    assert all_numbers() == [1, 2]


def test_a_wait_that_the_system_refuses_ends_neither_the_thread_nor_what_it_sees_to(
    other: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([OSError(22, "Invalid argument")])

    def refuse_once(self: Relay) -> None:
        for refusal in refusals:
            raise refusal

    tell(1)
    other.wake()
    until_sequenced(1)
    thread = other._thread
    monkeypatch.setattr(Relay, "_gather", refuse_once)

    tell(2)
    other.wake()
    until_sequenced(2)

    assert all_numbers() == [1, 2]
    assert other._thread is thread


@on_postgresql
def test_a_cut_connection_delays_and_loses_nothing(other: Relay) -> None:
    tell(1)
    other.wake()
    until_sequenced(1)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    tell(2)
    other.wake()
    until_sequenced(2)

    assert all_numbers() == [1, 2]


def test_stopping_finishes_what_was_committed(other: Relay) -> None:
    for number in range(5):
        tell(number)
    other.wake()

    other.stop(PATIENCE)

    assert all_numbers() == [0, 1, 2, 3, 4]
    assert threads("realtime-relay") == 0


def test_a_stopped_relay_begins_again_when_it_is_woken_however_close_the_two_are(other: Relay) -> None:
    for number in range(1, 40):
        tell(number)
        stopping = threading.Thread(target=other.stop, args=(PATIENCE,))
        stopping.start()
        other.wake()
        until_sequenced(number)
        stopping.join()

    assert all_numbers() == list(range(1, 40))


@on_postgresql
def test_stopping_waits_no_longer_than_it_was_given(other: Relay) -> None:
    tell(1)
    until(lambda: log.head().position == 0)
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            LogHead.objects.select_for_update().get()
            held.set()
            let_go.wait(PATIENCE)

    with beside(hold):
        held.wait(PATIENCE)
        other.wake()
        started = time.monotonic()
        other.stop(0.2)
        elapsed = time.monotonic() - started
        let_go.set()
    tell(2)
    other.wake()
    until_sequenced(2)

    assert elapsed < 0.9
    assert all_numbers() == [1, 2]
