"""Every path that writes a row tells it: once, with the row as it was and as it is, or says how else to do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from asgiref.sync import sync_to_async
from django.core import serializers
from django.db import DatabaseError, connections, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper
from django.test import override_settings
from uuid_utils.compat import uuid7

from accounts.models import Family, Membership, User
from realtime.models import Refused
from realtime.signals import changed
from tests import servers
from tests.realtime.concurrently import all_at_once, beside, until_somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


class Told(NamedTuple):
    """What a receiver of ``changed`` saw of a family: (name, version) before and after."""

    before: tuple[str, int] | None
    after: tuple[str, int] | None


def seen(family: Family | None) -> tuple[str, int] | None:
    return None if family is None else (family.name, family.version)


@pytest.fixture
def told() -> Iterator[list[Told]]:
    """What is told of families from here on. Values are taken at once, as a receiver would."""
    heard: list[Told] = []

    def hear(sender: type, before: Any, after: Any, using: str, **kwargs: Any) -> None:
        assert using == "default"
        heard.append(Told(seen(before), seen(after)))

    changed.connect(hear, sender=Family, weak=False)
    yield heard
    changed.disconnect(hear, sender=Family)


@pytest.fixture
def stone(db: None) -> Family:
    return Family.objects.create(name="Stone")


@pytest.fixture
def three(db: None) -> list[Family]:
    """Three families with the version 1, in key order."""
    return sorted((Family.objects.create(name=name) for name in ("A", "B", "C")), key=lambda row: row.pk)


# One row


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


# Many rows


def test_an_update_tells_each_row_once_in_key_order(three: list[Family], told: list[Told]) -> None:
    count = Family.objects.exclude(name="B").order_by("-name").update(name=Concat(F("name"), Value("x")))

    assert count == 2
    changes = {"A": (("A", 1), ("Ax", 2)), "C": (("C", 1), ("Cx", 2))}
    assert told == [changes[row.name] for row in three if row.name != "B"]
    assert sorted(map(seen, Family.objects.all())) == [("Ax", 2), ("B", 1), ("Cx", 2)]


def test_an_update_that_changes_nothing_still_raises_the_version_it_tells(stone: Family, told: list[Told]) -> None:
    Family.objects.update(name="Stone")

    assert told == [(("Stone", 1), ("Stone", 2))]


def test_a_version_given_to_an_update_is_not_believed(stone: Family, told: list[Told]) -> None:
    Family.objects.update(name="Rock", version=70)

    assert told == [(("Stone", 1), ("Rock", 2))]


def test_an_update_through_a_join_tells_each_row_once(alice: User, bob: User, told: list[Told]) -> None:
    family = Family.objects.create(name="Stone")
    for user in (alice, bob):
        Membership.objects.create(family=family, user=user)
    told.clear()

    count = Family.objects.filter(memberships__role="member").update(name="Rock")

    assert count == 1
    assert told == [(("Stone", 1), ("Rock", 2))]


def test_an_update_through_a_join_leaves_out_no_row(alice: User, bob: User, told: list[Told]) -> None:
    for name in ("A", "B", "C"):
        family = Family.objects.create(name=name)
        for user in (alice, bob):
            Membership.objects.create(family=family, user=user)
    told.clear()
    joined = Family.objects.filter(memberships__role="member")

    with override_settings(REALTIME={"BULK_ROWS": 3}), pytest.raises(Refused, match="batches"), transaction.atomic():
        joined.update(name=Upper("name"))
    assert told == []

    with override_settings(REALTIME={"BULK_ROWS": 6}):
        assert joined.update(name=Upper("name")) == 3
    assert len(told) == 3


def test_updating_no_row_tells_nobody(stone: Family, told: list[Told]) -> None:
    assert Family.objects.filter(name="Rock").update(name="Pebble") == 0
    assert Family.objects.none().update(name="Pebble") == 0
    assert told == []


def test_rows_of_a_relation_are_told_as_well(alice: User, family: Family) -> None:
    heard: list[str] = []

    def hear(before: Membership, after: Membership, **kwargs: Any) -> None:
        heard.append(f"{before.role}→{after.role}")

    changed.connect(hear, sender=Membership)
    family.memberships.exclude(user=alice).order_by("role").update(role="admin")
    changed.disconnect(hear, sender=Membership)

    assert sorted(heard) == ["member→admin", "viewer→admin"]


def test_rows_created_in_bulk_are_told_in_key_order(told: list[Told]) -> None:
    rows = Family.objects.bulk_create([Family(name="A", version=9), Family(name="B")])

    assert sorted(told) == [(None, ("A", 1)), (None, ("B", 1))]
    assert [name for _, (name, _) in told] == [row.name for row in sorted(rows, key=lambda row: row.pk)]
    assert sorted(map(seen, Family.objects.all())) == [("A", 1), ("B", 1)]


def test_a_bulk_update_tells_each_row_once(three: list[Family], told: list[Told]) -> None:
    for row in three:
        row.name *= 2

    count = Family.objects.bulk_update(reversed(three), ["name"], batch_size=2)

    assert count == 3
    assert sorted(told) == [((name, 1), (name * 2, 2)) for name in "ABC"]


def test_a_bulk_update_of_the_version_is_not_believed(stone: Family, told: list[Told]) -> None:
    stone.version = 70

    Family.objects.bulk_update([stone], ["version"])

    assert told == [(("Stone", 1), ("Stone", 2))]


def test_a_bulk_delete_tells_each_row_and_what_hangs_on_it(alice: User, family: Family, told: list[Told]) -> None:
    heard: list[str] = []

    def hear(before: Membership, after: None, **kwargs: Any) -> None:
        heard.append(before.role)

    changed.connect(hear, sender=Membership)
    Family.objects.filter(memberships__user=alice).delete()
    changed.disconnect(hear, sender=Membership)

    assert told == [(("Smith", 1), None)]
    assert sorted(heard) == ["member", "owner", "viewer"]
    assert not Membership.objects.exists()


def test_a_proxy_of_a_model_tells_under_the_model_s_own_name(three: list[Family], told: list[Told]) -> None:
    class Clan(Family):
        class Meta:
            app_label = "accounts"
            proxy = True

    first = Clan.objects.get(pk=three[0].pk)
    first.save()
    Clan.objects.filter(pk=first.pk).update(name="X")
    Clan.objects.bulk_create([Clan(name="Y")])
    Clan.objects.filter(pk=first.pk).delete()

    assert told == [(("A", 1), ("A", 2)), (("A", 2), ("X", 3)), (None, ("Y", 1)), (("X", 3), None)]


@pytest.mark.parametrize("how", ["update", "delete"])
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Family.objects.distinct(),
        lambda: Family.objects.annotate(size=models.Count("memberships")),
        lambda: Family.objects.values("name"),
        lambda: Family.objects.filter(name="A").union(Family.objects.filter(name="B")),
        lambda: Family.objects.order_by("pk")[:2],
    ],
    ids=["distinct", "grouped", "values", "union", "sliced"],
)
def test_rows_that_cannot_be_locked_are_refused_with_the_way_to_do_it(
    three: list[Family], told: list[Told], rows: Callable[[], Any], how: str
) -> None:
    with pytest.raises(Refused, match=r"filter\(pk__in=keys\)"), transaction.atomic():
        rows().update(name="X") if how == "update" else rows().delete()

    assert told == []
    assert sorted(map(seen, Family.objects.all())) == [("A", 1), ("B", 1), ("C", 1)]


@pytest.mark.parametrize("options", [{"ignore_conflicts": True}, {"update_conflicts": True, "unique_fields": ["id"]}])
def test_inserting_over_conflicts_is_refused_with_the_way_to_do_it(told: list[Told], options: dict[str, Any]) -> None:
    with (
        transaction.atomic(),
        pytest.raises(Refused, match=r"bulk_create\(\) for new ones and save\(\) or bulk_update\(\)"),
    ):
        Family.objects.bulk_create([Family(name="A")], **options)

    assert told == []
    assert not Family.objects.exists()


@pytest.mark.parametrize("name", ["pk", "id"])
def test_changing_primary_keys_is_refused_with_the_way_to_do_it(stone: Family, told: list[Told], name: str) -> None:
    with pytest.raises(Refused, match="create"):
        Family.objects.update(**{name: uuid7()})

    assert told == []
    assert Family.objects.get().pk == stone.pk


@pytest.mark.parametrize(
    "write",
    [
        lambda: Family.objects.update(name="X"),
        lambda: Family.objects.all().delete(),
        lambda: Family.objects.bulk_create([Family(name="X"), Family(name="Y"), Family(name="Z")]),
    ],
    ids=["update", "delete", "bulk_create"],
)
def test_more_rows_than_the_bound_are_refused_with_the_way_to_do_it(
    three: list[Family], told: list[Told], write: Callable[[], Any]
) -> None:
    bound = override_settings(REALTIME={"BULK_ROWS": 2})
    with bound, pytest.raises(Refused, match=r"batches.*BULK_ROWS"), transaction.atomic():
        write()

    assert told == []
    assert sorted(map(seen, Family.objects.all())) == [("A", 1), ("B", 1), ("C", 1)]


def test_as_many_rows_as_the_bound_are_written(three: list[Family], told: list[Told]) -> None:
    with override_settings(REALTIME={"BULK_ROWS": 3}):
        assert Family.objects.update(name="X") == 3

    assert len(told) == 3


# Several writers


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
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
