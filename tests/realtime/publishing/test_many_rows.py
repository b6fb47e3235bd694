"""Every path that writes many rows tells each: once, in key order, or says how else to do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper
from django.test import override_settings
from uuid_utils.compat import uuid7

from accounts.models import Family, Membership, User
from realtime.models import Refused
from realtime.signals import changed
from tests.realtime.publishing.conftest import Told, seen

pytestmark = pytest.mark.django_db


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
