"""Every path that writes one row tells it: once, with the row as it was and as it is, or says how else to do it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import serializers
from django.db import DatabaseError, connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from uuid_utils.compat import uuid7

from accounts.models import Family
from realtime.models import Refused
from realtime.signals import changed
from tests.realtime.publishing.conftest import Told, seen

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


def test_a_new_row_is_told_with_nothing_before(told: list[Told]) -> None:
    Family.objects.create(name="Stone")

    assert told == [(None, ("Stone", 1))]


def test_a_saved_row_is_told_as_it_was_and_as_it_is(stone: Family, told: list[Told]) -> None:
    stone.name = "Rock"
    stone.save()

    assert told == [(("Stone", 1), ("Rock", 2))]
    assert seen(Family.objects.get()) == ("Rock", 2)


def test_a_stale_instance_is_told_against_the_row_and_not_against_itself(stone: Family, told: list[Told]) -> None:
    stale = Family.objects.get()
    Family.objects.update(name="Rock")

    stale.name = "Pebble"
    stale.save()

    assert told[1:] == [(("Rock", 2), ("Pebble", 3))]
    assert stale.version == 3


def test_a_partial_save_tells_the_row_and_not_what_the_instance_holds_unsaved(stone: Family, told: list[Told]) -> None:
    stone.name = "never saved"
    stone.created_at = LONG_AGO
    stone.save(update_fields=["created_at"])

    assert told == [(("Stone", 1), ("Stone", 2))]
    assert seen(Family.objects.get(created_at=LONG_AGO)) == ("Stone", 2)


def test_a_partial_save_of_a_stale_instance_tells_the_row(stone: Family, told: list[Told]) -> None:
    stale = Family.objects.get()
    Family.objects.update(name="Rock")

    stale.created_at = LONG_AGO
    stale.save(update_fields=["created_at"])

    assert told[1:] == [(("Rock", 2), ("Rock", 3))]


def test_saving_no_fields_at_all_tells_nobody(stone: Family, told: list[Told]) -> None:
    stone.save(update_fields=[])

    assert told == []


@pytest.mark.parametrize("deferring", [lambda rows: rows.only("name"), lambda rows: rows.defer("version")])
def test_the_version_is_stored_though_the_instance_was_loaded_without_it(
    stone: Family, told: list[Told], deferring: Callable[[Any], Any]
) -> None:
    for name in ("Rock", "Pebble"):
        partly = deferring(Family.objects).get()
        partly.name = name
        partly.save()

    assert told == [(("Stone", 1), ("Rock", 2)), (("Rock", 2), ("Pebble", 3))]
    assert seen(Family.objects.get()) == ("Pebble", 3)


def test_an_instance_loaded_in_part_tells_the_rest_too(stone: Family, told: list[Told]) -> None:
    partly = Family.objects.defer("name").get()
    partly.created_at = LONG_AGO
    partly.save()

    assert told == [(("Stone", 1), ("Stone", 2))]


def test_the_arguments_of_save_may_be_given_by_position(stone: Family, told: list[Told]) -> None:
    stone.name = "Rock"
    stone.save(False, False, None, ["name"])

    assert told == [(("Stone", 1), ("Rock", 2))]
    assert seen(Family.objects.get()) == ("Rock", 2)


def test_an_expression_is_told_as_the_value_that_it_gave(stone: Family, told: list[Told]) -> None:
    stone.name = Concat(F("name"), Value("wall"))
    stone.save()

    assert told == [(("Stone", 1), ("Stonewall", 2))]


def test_a_value_given_as_text_is_told_as_what_it_became(stone: Family) -> None:
    heard: list[datetime] = []

    def hear(after: Family, **kwargs: Any) -> None:
        heard.append(after.created_at)

    changed.connect(hear, sender=Family)
    stone.created_at = "2001-02-03T00:00:00Z"  # type: ignore[assignment]
    stone.save()
    changed.disconnect(hear, sender=Family)

    assert heard == [LONG_AGO]


def test_a_copy_under_another_key_is_told_as_new(stone: Family, told: list[Told]) -> None:
    stone.pk = uuid7()
    stone.save()

    assert told == [(None, ("Stone", 1))]
    assert Family.objects.count() == 2


def test_a_row_that_somebody_deleted_comes_back_as_new(stone: Family, told: list[Told]) -> None:
    Family.objects.filter(pk=stone.pk).delete()

    stone.save()

    assert told == [(("Stone", 1), None), (None, ("Stone", 1))]


def test_writing_over_a_row_that_was_not_loaded_is_refused(stone: Family, told: list[Told]) -> None:
    blind = Family(pk=stone.pk, name="Rock")

    with pytest.raises(Refused, match=r"get\(\)"), transaction.atomic():
        blind.save(force_update=True)

    assert told == []
    assert seen(Family.objects.get()) == ("Stone", 1)


def test_a_failed_save_tells_nobody_and_the_next_one_counts_from_the_row(stone: Family, told: list[Told]) -> None:
    unsaved = Family(pk=stone.pk, name="Rock")
    with pytest.raises(DatabaseError), transaction.atomic():
        unsaved.save(force_insert=True)

    stone.save()

    assert told == [(("Stone", 1), ("Stone", 2))]


def test_an_error_in_a_receiver_undoes_the_change(stone: Family) -> None:
    def object_to(**kwargs: Any) -> None:
        raise ArithmeticError

    changed.connect(object_to, sender=Family)
    stone.name = "Rock"
    with pytest.raises(ArithmeticError), transaction.atomic():
        stone.save()
    changed.disconnect(object_to, sender=Family)

    assert seen(Family.objects.get()) == ("Stone", 1)


def test_a_receiver_may_save_the_row_again(stone: Family, told: list[Told]) -> None:
    def correct(after: Family, **kwargs: Any) -> None:
        if after.name != "Rock":
            after.name = "Rock"
            after.save()

    changed.connect(correct, sender=Family)
    stone.name = "Pebble"
    stone.save()
    changed.disconnect(correct, sender=Family)

    assert sorted(told) == [(("Pebble", 2), ("Rock", 3)), (("Stone", 1), ("Pebble", 2))]
    assert seen(Family.objects.get()) == ("Rock", 3)


def test_fixtures_tell_nobody_and_keep_their_version(told: list[Told]) -> None:
    text = serializers.serialize("json", [Family(name="Stone", version=7)])

    for row in serializers.deserialize("json", text):
        row.save()

    assert told == []
    assert seen(Family.objects.get()) == ("Stone", 7)


@pytest.mark.django_db(transaction=True)
def test_going_around_save_outside_a_transaction_is_refused(told: list[Told]) -> None:
    with pytest.raises(Refused, match=r"save\(\)"):
        Family(name="Stone").save_base()

    assert told == []
    assert not Family.objects.exists()


def test_deleting_a_row_tells_it_as_it_last_was(stone: Family, told: list[Told]) -> None:
    Family.objects.update(name="Rock")

    stone.delete()

    assert told[1:] == [(("Rock", 2), None)]


def test_a_row_that_somebody_else_deleted_first_is_told_once(stone: Family, told: list[Told]) -> None:
    stale = Family.objects.get()
    stone.delete()

    stale.delete()

    assert told == [(("Stone", 1), None)]


def test_getting_or_creating_tells_only_what_it_created(told: list[Told]) -> None:
    for _ in range(2):
        Family.objects.get_or_create(name="Stone")

    assert told == [(None, ("Stone", 1))]


def test_updating_or_creating_tells_what_it_did(told: list[Told]) -> None:
    for name in ("Stone", "Rock"):
        Family.objects.update_or_create(created_at=LONG_AGO, defaults={"name": name})

    assert told == [(None, ("Stone", 1)), (("Stone", 1), ("Rock", 2))]


@pytest.mark.django_db(transaction=True)
async def test_the_asynchronous_ways_tell_as_well(told: list[Told]) -> None:
    family = await Family.objects.acreate(name="Stone")
    family.name = "Rock"
    await family.asave()
    await Family.objects.aupdate(name="Pebble")
    await family.adelete()
    await sync_to_async(connections.close_all)()  # of the thread that did this

    assert told == [
        (None, ("Stone", 1)),
        (("Stone", 1), ("Rock", 2)),
        (("Rock", 2), ("Pebble", 3)),
        (("Pebble", 3), None),
    ]
