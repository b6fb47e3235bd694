"""Writers at the same time: no version is told twice, and nothing that did not happen."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction
from uuid_utils.compat import uuid7

from accounts.models import Family
from realtime.models import Refused
from tests import servers
from tests.realtime.concurrently import all_at_once, beside, until_somebody_waits_for_a_lock
from tests.realtime.publishing.conftest import Told

pytestmark = pytest.mark.django_db(transaction=True)


def test_writers_at_the_same_time_never_give_one_version_twice(told: list[Told]) -> None:
    family = Family.objects.create(name="0")
    writers = range(8)

    def write(writer: int) -> None:
        stale = Family.objects.get(pk=family.pk)
        for turn in range(4):
            if turn % 2:
                Family.objects.filter(pk=family.pk).update(name=f"{writer}.{turn}")
            else:
                stale.name = f"{writer}.{turn}"
                stale.save()

    all_at_once([lambda writer=writer: write(writer) for writer in writers])

    assert sorted(after[1] for _, after in told) == list(range(1, 34))
    chain = sorted(told[1:], key=lambda change: change.after[1])
    assert [change.before for change in chain[1:]] == [change.after for change in chain[:-1]]


@pytest.mark.skipif(servers.database() != servers.POSTGRESQL, reason="SQLite lets one writer in at a time")
def test_a_row_that_stopped_matching_while_an_update_waited_is_left_alone(stone: Family, told: list[Told]) -> None:
    with transaction.atomic():
        Family.objects.filter(pk=stone.pk).update(name="Rock")
        second = beside(lambda: Family.objects.filter(name="Stone").update(name="Pebble"))
        count = second.__enter__()
        until_somebody_waits_for_a_lock()
    second.__exit__(None, None, None)

    assert count.result() == 0
    assert told == [(("Stone", 1), ("Rock", 2))]


@pytest.mark.skipif(servers.database() != servers.POSTGRESQL, reason="SQLite lets one writer in at a time")
def test_a_row_made_by_somebody_else_while_a_blind_save_waited_is_not_told_as_new(told: list[Told]) -> None:
    key = uuid7()

    def write_blindly() -> None:
        blind = Family(pk=key, name="Rock")
        blind._state.adding = False  # as if it had been loaded, and deleted by somebody since
        blind.save()

    with transaction.atomic():
        Family(pk=key, name="Stone").save(force_insert=True)
        second = beside(write_blindly)
        outcome = second.__enter__()
        until_somebody_waits_for_a_lock()
    with pytest.raises((Refused, DatabaseError)):
        second.__exit__(None, None, None)
        outcome.result()

    assert told == [(None, ("Stone", 1))]
