"""The horizon passes only what can never appear any more: no commit, however late, is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime import log
from realtime.horizon import INTERVAL, Horizon
from realtime.models import Event, LogHead, Outgoing, TopicHead
from realtime.topics import topic
from tests import servers

# Alone: transactions are numbered over all databases of a server, so a writer in another one holds the horizon back.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone, pytest.mark.usefixtures("sleeping_relay")]
on_postgresql = pytest.mark.skipif(
    servers.database() != servers.POSTGRESQL, reason="elsewhere the horizon stays where it is"
)

A = topic("family", UUID(int=10))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Watcher:
    """A horizon whose time the test makes pass, and the sequencing that moves it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.horizon = Horizon(self.clock)

    def look(self, *, after: float = INTERVAL) -> None:
        """Sequence all that may be seen from the horizon on, once, some time later."""
        self.clock.now += after
        log.sequence(self.horizon)

    def settle(self, times: int = 3) -> int:
        for _ in range(times):
            self.look()
        return self.horizon.id


@pytest.fixture
def watcher(db: None) -> Watcher:
    log.head()
    return Watcher()


class Writer:
    """A transaction of its own connection, open for as long as the test likes."""

    def __init__(self, isolation: str = "READ COMMITTED") -> None:
        self.connection: BaseDatabaseWrapper = connections.create_connection("default")
        self.execute(f"BEGIN ISOLATION LEVEL {isolation}")

    def tell(self, number: int) -> int:
        """Insert what publish() would; return the row's id."""
        values = (UUID(int=number), "Note", A, json.dumps({"n": number}))
        return self.execute(
            f"INSERT INTO {Outgoing._meta.db_table} (event_id, type, topics, data, timestamp, ack) "
            "VALUES (%s, %s, %s, %s, now(), false) RETURNING id",
            values,
        )

    def execute(self, sql: str, values: Any = ()) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()[0] if cursor.description else None

    def commit(self) -> None:
        self.execute("COMMIT")

    def roll_back(self) -> None:
        self.execute("ROLLBACK")


@contextmanager
def writing(isolation: str = "READ COMMITTED") -> Iterator[Writer]:
    writer = Writer(isolation)
    try:
        yield writer
    finally:
        writer.roll_back()
        writer.connection.close()


def tell(number: int) -> int:
    with writing() as writer:
        row_id = writer.tell(number)
        writer.commit()
    return row_id


def sequenced() -> list[int]:
    return [json.loads(data)["n"] for data in Event.objects.order_by("position").values_list("data", flat=True)]


@pytest.mark.skipif(servers.database() == servers.POSTGRESQL, reason="there it moves")
def test_on_other_databases_it_stays_at_the_beginning(watcher: Watcher) -> None:
    assert watcher.settle(10) == 0


@on_postgresql
def test_it_moves_behind_what_has_been_sequenced(watcher: Watcher) -> None:
    newest = tell(1)

    watcher.look()
    watcher.look()
    assert watcher.horizon.id == 0
    watcher.look()

    assert watcher.horizon.id == newest
    assert sequenced() == [1]
    assert log.waiting(watcher.horizon.id) is None


@on_postgresql
def test_it_looks_at_the_transactions_once_a_second_at_most(watcher: Watcher) -> None:
    tell(1)

    for _ in range(10):
        watcher.look(after=INTERVAL / 20)

    assert watcher.horizon.id == 0


@on_postgresql
@pytest.mark.parametrize("looks_before", [0, 1, 2, 3])
def test_it_waits_for_a_transaction_that_has_taken_an_id(watcher: Watcher, looks_before: int) -> None:
    with writing() as slow:
        watcher.settle(looks_before)
        late = slow.tell(1)
        tell(2)

        assert watcher.settle(8) < late
        slow.commit()

    watcher.look()
    assert sequenced() == [2, 1]


@on_postgresql
def test_what_was_rolled_back_holds_nobody_up(watcher: Watcher) -> None:
    with writing() as failed:
        failed.tell(1)
        failed.roll_back()
    newest = tell(2)

    assert watcher.settle() == newest


@on_postgresql
def test_a_dump_under_way_does_not_hold_it(watcher: Watcher) -> None:
    with writing("REPEATABLE READ") as dump:
        dump.execute(f"SELECT count(*) FROM {Outgoing._meta.db_table}")
        newest = tell(1)

        assert watcher.settle() == newest


class Looked(Exception):
    """Ends what was to be explained, once it has been."""


def pages_read(work: Callable[[], Any]) -> int:
    """Pages of tables and indexes that the first statement of ``work`` on the outbox reads. Undoes what it wrote."""

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if Outgoing._meta.db_table not in sql:
            return execute(sql, params, many, context)
        execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params, many, context)
        ((plan,),) = context["cursor"].fetchone()
        raise Looked(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])

    with connection.execute_wrapper(explain), pytest.raises(Looked) as looked:
        work()
    return int(looked.value.args[0])


def pass_through(watcher: Watcher, count: int) -> None:
    """Let so many events pass through the outbox, and the horizon move behind them."""
    with writing() as writer:
        writer.execute(
            f"INSERT INTO {Outgoing._meta.db_table} (event_id, type, topics, data, timestamp, ack) "
            "SELECT gen_random_uuid(), 'Note', %s, '{\"n\": 0}', now(), false FROM generate_series(1, %s)",
            (A, count),
        )
        writer.commit()
    while log.waiting(watcher.horizon.id) is not None:
        watcher.look(after=0)
    watcher.settle(8)  # what was noted in the midst of them moves it that far only


@on_postgresql
def test_under_a_dump_a_wake_up_reads_no_more_however_many_events_have_passed_through(watcher: Watcher) -> None:
    with writing("REPEATABLE READ") as dump:
        dump.execute(f"SELECT count(*) FROM {Outgoing._meta.db_table}")

        looking, placing, from_the_beginning = [], [], []
        for _ in range(3):
            pass_through(watcher, 4000)
            tell(1)
            looking.append(pages_read(lambda: log.waiting(watcher.horizon.id)))
            placing.append(pages_read(lambda: log.sequence(watcher.horizon)))
            from_the_beginning.append(pages_read(log.waiting))

    # Nothing of the outbox could be cleared away meanwhile: a look that begins at the front reads more each time.
    assert from_the_beginning == sorted(set(from_the_beginning))
    assert from_the_beginning[-1] > 200
    assert max(looking) < 10
    assert max(placing[1:]) < 60  # at first the table is so small that to read it whole is as quick


@on_postgresql
def test_a_long_transaction_holds_it_and_delays_nobody(watcher: Watcher) -> None:
    with writing() as slow:
        slow.tell(1)
        for number in range(2, 6):
            tell(number)
            watcher.look()

        assert sequenced() == [2, 3, 4, 5]


@on_postgresql
def test_it_does_not_move_while_more_waits_than_one_turn_takes(watcher: Watcher) -> None:
    for number in range(1, 8):
        tell(number)

    for _ in range(3):
        watcher.clock.now += INTERVAL
        log.sequence(watcher.horizon, limit=2)

    assert watcher.horizon.id == 0

    log.sequence(watcher.horizon, limit=2)

    assert sequenced() == list(range(1, 8))


@on_postgresql
def test_what_appears_below_it_after_all_is_found_from_the_beginning(watcher: Watcher) -> None:
    newest = tell(1)
    watcher.settle(8)  # what was noted in the midst of them moves it that far only
    with writing() as restored:  # as a restore does, with the ids of long ago
        restored.execute(
            f"INSERT INTO {Outgoing._meta.db_table} (id, event_id, type, topics, data, timestamp, ack) "
            "OVERRIDING SYSTEM VALUE VALUES (%s, %s, 'Note', %s, '{\"n\": 2}', now(), false)",
            (newest, UUID(int=2), A),
        )
        restored.commit()
    assert log.sequence(watcher.horizon) is None

    watcher.horizon.reset()
    log.sequence(watcher.horizon)

    assert sequenced() == [1, 2]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["tell", "commit", "roll back", "look", "look", "look"]),
        st.integers(0, 3),
        st.sampled_from([0.0, 0.4, 1.0]),
    ),
    max_size=40,
)


@on_postgresql
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS)
def test_whatever_transactions_overlap_every_commit_is_found_from_the_horizon_on(db: None, steps: Any) -> None:
    for model in (Outgoing, Event, TopicHead):
        model.objects.all().delete()
    LogHead.objects.update(position=0)
    log.head()
    watcher, told, committed = Watcher(), 0, set[int]()
    with ExitStack() as stack:
        writers = [stack.enter_context(writing()) for _ in range(4)]
        open_now: list[set[int]] = [set() for _ in writers]
        for what, which, pause in steps:
            if what == "look":
                watcher.look(after=pause)
            elif what == "tell":
                told += 1
                writers[which].tell(told)
                open_now[which].add(told)
            else:
                if what == "commit":
                    committed |= open_now[which]
                writers[which].execute("COMMIT" if what == "commit" else "ROLLBACK")
                writers[which].execute("BEGIN")
                open_now[which] = set()
        watcher.settle(4)

    assert set(sequenced()) == committed
    assert len(sequenced()) == len(committed)
