"""What is old goes and what is needed stays; nobody takes what is left for the whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from realtime import log
from realtime.models import Event
from tests.realtime.concurrently import all_at_once
from tests.realtime.growing import backdate, drain, fill, prune, tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sleeping_relay")]


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
    fill(20)
    backdate(15)
    pages: list[str] = []

    def look(execute: Any, *args: Any) -> Any:
        pages.extend(all_at_once([page_from_the_start]))
        return execute(*args)

    with connection.execute_wrapper(look), override_settings(REALTIME={"PRUNE_BATCH": 1}):
        assert prune() == 14
    pages.append(page_from_the_start())

    assert set(pages) == {"whole", "announced"}
    assert pages.count("announced") >= 14, "there was a look after each that went"


@pytest.mark.parametrize(("before", "seen"), [(1, "announced"), (2, "whole")])
def test_a_page_may_be_pruned_before_each_of_its_own_looks_at_the_log(before: int, seen: str) -> None:
    fill(20)
    backdate(15)
    looks: list[str] = []

    def prune_first(execute: Any, sql: str, *args: Any) -> Any:
        looks.append(sql)
        if len(looks) == before:
            assert all_at_once([prune]) == [14]
        return execute(sql, *args)

    with connection.execute_wrapper(prune_first):
        page = page_from_the_start()

    assert page == seen
    assert len(looks) == 2, "there is no moment between two looks that was not tried"


def page_from_the_start() -> str:
    """How a page of a log of twenty looks to who had nothing yet."""
    page = log.read(0)
    if [entry.position for entry in page.entries] == list(range(1, 21)):
        return "whole"
    return "announced" if page.head.floor > 0 else "silent"
