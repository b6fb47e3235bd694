"""Locks that others may have too, and locks that are taken behind all else."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts.models import User
from realtime.holding import hold_behind, keep, keep_unchanged
from tests.realtime.concurrently import PATIENCE, answered_after, beside

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(lock):
    """What ``lock`` returns in a transaction beside this one; it must not wait."""

    def locked():
        with transaction.atomic():
            return lock()

    with beside(locked) as other:
        return other.result(PATIENCE)


@pytest.mark.parametrize("lock", [keep, keep_unchanged])
def test_the_keys_are_those_of_the_rows_that_there_are(alice, bob, lock):
    with transaction.atomic():
        assert lock(User.objects.filter(username__in=["alice", "bob", "nobody"])) == {alice.pk, bob.pk}
        assert lock(User.objects.filter(memberships__role="owner")) == set()
        assert lock(User.objects.filter(pk__in=[])) == set()


@pytest.mark.usefixtures("two_writers")
@pytest.mark.parametrize("lock", [keep, keep_unchanged])
def test_a_lock_that_would_be_gone_at_once_is_refused(alice, lock):
    with pytest.raises(transaction.TransactionManagementError):
        lock(User.objects.filter(pk=alice.pk))


@pytest.mark.usefixtures("two_writers")
def test_what_is_kept_is_kept_and_changed_by_others_and_deleted_by_nobody(alice):
    rows = User.objects.filter(pk=alice.pk)

    with transaction.atomic():
        keep(rows)
        assert at_once(lambda: keep(rows)) == {alice.pk}
        assert at_once(lambda: rows.update(first_name="Alice")) == 1
    answered_after(lambda: keep(rows), rows.delete)

    assert not rows.exists()


@pytest.mark.usefixtures("two_writers")
def test_what_is_kept_unchanged_is_kept_so_by_others_and_changed_by_nobody(alice):
    rows = User.objects.filter(pk=alice.pk)

    with transaction.atomic():
        keep_unchanged(rows)
        assert at_once(lambda: keep_unchanged(rows)) == {alice.pk}
        assert at_once(lambda: keep(rows)) == {alice.pk}
    changed = answered_after(lambda: keep_unchanged(rows), lambda: rows.update(first_name="Alice"))

    assert changed == 1


def test_what_came_while_rows_were_waited_for_is_held_before_them(alice):
    there, steps = {1}, []

    def hold():
        steps.append("hold")
        return set(there)

    def look():
        steps.append("look")
        there.add(2)
        return there

    with transaction.atomic():
        hold_behind(User.objects.filter(pk=alice.pk), hold, look, to_delete=False)

    assert steps == ["hold", "look", "hold", "look"]


@pytest.mark.usefixtures("two_writers")
def test_rows_are_let_go_of_while_what_came_is_waited_for(alice):
    rows, seen = User.objects.filter(pk=alice.pk), []

    def hold():
        if seen:  # the second time: whoever has what came may be coming for the rows
            assert at_once(lambda: keep(rows)) == {alice.pk}
        return list(seen)

    def look():
        seen.append(1)
        return [1]

    with transaction.atomic():
        hold_behind(rows, hold, look, to_delete=True)
