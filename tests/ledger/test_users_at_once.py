"""Users who are deleted or deactivated while something comes to be theirs: whoever waits for whom, all come to an end.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from threading import Event

import pytest
from django.db import transaction
from rest_framework.exceptions import APIException

from accounts import access
from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from accounts.topics import family_topic
from config.services.waiting import wait_until
from ledger.models import Account, AccountShare, Payee, Transaction
from realtime import log
from realtime.models import Event as Logged
from tests.ledger.test_rights_at_once import Change, delete_user, join, join_by_invitation, said_of
from tests.realtime.concurrently import PATIENCE, beside, how_many_wait

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]


@pytest.fixture
def account(family: Family, alice: User) -> Account:
    return Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")


def until_waiting(count: int) -> None:
    wait_until(lambda: how_many_wait() == count, PATIENCE, lambda: f"not {count} wait, but {how_many_wait()}")


def deactivate(family: Family, account: Account, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("ends", [deactivate, delete_user])
def test_who_ends_a_user_and_who_invites_them_once_more_wait_for_each_other_and_not_for_ever(
    ends: Change, family: Family, account: Account, charlie: User
) -> None:
    begun, joined = Event(), Event()

    def invite_again() -> None:
        with suppress(APIException):  # they are a member already, or not there any more
            join_by_invitation(family, account, charlie)

    with (
        beside(lambda: begun.wait(PATIENCE) and ends(family, account, charlie)) as ended,
        beside(lambda: joined.wait(PATIENCE) and invite_again()) as invited,
    ):
        with transaction.atomic():
            sign_out(charlie.pk)  # holds the user
            begun.set()
            until_waiting(1)  # with all that they see in hand, of which this is not part yet
            with beside(lambda: join(family, account, charlie)) as came:
                came.result(PATIENCE)
            joined.set()
            until_waiting(2)
        invited.result(PATIENCE)
        ended.result(PATIENCE)

    assert not User.objects.filter(pk=charlie.pk, is_active=True).exists()
    assert said_of(charlie)[str(family_topic(family.pk))] == "lost"


def test_a_role_that_changes_while_another_name_is_told_is_the_last_that_is_told(family: Family, bob: User) -> None:
    renamed = Event()

    def demote() -> None:
        assert renamed.wait(PATIENCE)
        Membership.objects.filter(user=bob).update(role="viewer")

    with beside(demote) as demoted:
        with transaction.atomic():
            User.objects.filter(pk=bob.pk).update(first_name="Robert")
            renamed.set()
            until_waiting(1)
        demoted.result(PATIENCE)

    while log.sequence() is not None:
        pass
    told = Logged.objects.filter(type="MembershipUpdate", topic=family_topic(family.pk)).order_by("position")
    assert [json.loads(event.data)["role"] for event in told][-2:] == ["member", "viewer"]


def writes(family: Family, account: Account, user: User) -> None:
    access.hold_roles(Family.objects.filter(pk=family.pk), [user.pk])
    Transaction.objects.create(account=account, amount=Decimal(-1), created_by=user)


def test_what_comes_to_be_theirs_as_a_user_is_deleted_is_not_waited_for_with_the_user_in_hand(
    family: Family, account: Account, charlie: User
) -> None:
    begun, gained, written, over = Event(), Event(), Event(), Event()

    def write() -> None:
        with transaction.atomic():
            writes(family, account, charlie)
            written.set()
            assert over.wait(PATIENCE)
        # Here the database looks whether the user is there.

    with (
        beside(lambda: begun.wait(PATIENCE) and delete_user(family, account, charlie)) as deleted,
        beside(lambda: gained.wait(PATIENCE) and write()) as wrote,
    ):
        with transaction.atomic():
            sign_out(charlie.pk)
            begun.set()
            until_waiting(1)
            with beside(lambda: join(family, account, charlie)) as came:
                came.result(PATIENCE)
            gained.set()
            assert written.wait(PATIENCE)
        until_waiting(1)  # the deletion, for what the other has in hand
        over.set()
        wrote.result(PATIENCE)
        deleted.result(PATIENCE)

    assert not User.objects.filter(pk=charlie.pk).exists()
    assert not Membership.objects.filter(user=charlie.pk).exists()
    assert not AccountShare.objects.exists()
    assert not Transaction.objects.exclude(created_by=None).exists()


def test_what_comes_to_name_a_payee_as_it_is_deleted_is_not_waited_for_with_the_payee_in_hand(
    family: Family, account: Account
) -> None:
    payee = Payee.objects.create(family=family, name="Bakery")
    begun, used, written, over = Event(), Event(), Event(), Event()

    def use() -> None:
        Transaction.objects.create(account=account, amount=Decimal(-1), payee_id=payee.pk)

    def write() -> None:
        with transaction.atomic():
            use()
            written.set()
            assert over.wait(PATIENCE)

    with (
        beside(lambda: begun.wait(PATIENCE) and Payee.objects.get(pk=payee.pk).delete()) as deleted,
        beside(lambda: used.wait(PATIENCE) and write()) as wrote,
    ):
        with transaction.atomic():
            Payee.objects.filter(pk=payee.pk).update(category="food")  # holds it, though not from who refers to it
            begun.set()
            until_waiting(1)
            with beside(use) as came:
                came.result(PATIENCE)
            used.set()
            assert written.wait(PATIENCE)
        until_waiting(1)
        over.set()
        wrote.result(PATIENCE)
        deleted.result(PATIENCE)

    assert not Payee.objects.exists()
    assert list(Transaction.objects.values_list("payee", flat=True)) == [None, None]
