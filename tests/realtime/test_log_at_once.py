"""Writers and relays at the same time make one log: nobody waits for the slow, and causes come before effects."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event as Flag
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.test import override_settings

from realtime import log
from realtime.models import LogHead, Outgoing, TopicHead
from realtime.outbox import publish
from realtime.protocol.entry import Entry
from tests import servers
from tests.realtime.concurrently import PATIENCE, all_at_once, beside, until_somebody_waits_for_a_lock
from tests.realtime.growing import TOPICS, A, drain, fill, numbers, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]

on_postgresql = pytest.mark.skipif(
    servers.database() != servers.POSTGRESQL, reason="SQLite lets one writer in at a time"
)


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
