"""A user is given two accounts at once, in whatever ways: the share that comes later counts the other.

Its user is held for that, which who ends one comes for too.

Only PostgreSQL lets two transactions write at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from django.db import IntegrityError
from django.test import Client

from accounts.models import Family, User
from accounts.sessions import sign_out
from ledger.errors import TooManyShares
from ledger.models import Account, AccountShare
from ledger.services import sharing
from ledger.topics import account_topic
from tests.forms import fields_of
from tests.ledger.test_rights_at_once import Change, delete_user, queue_behind, readable
from tests.ledger.test_users_at_once import deactivate
from tests.realtime.concurrently import answered_after, met_the_wrong_way_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("two_writers")]

Way = Callable[[Account, User], object]


def create(account: Account, user: User) -> None:
    AccountShare.objects.create(account=account, user=user)


def create_many(account: Account, user: User) -> None:
    AccountShare.objects.bulk_create([AccountShare(account=account, user=user)])


def turn_over(account: Account, user: User) -> None:
    AccountShare.objects.filter(account=account).update(user=user)


WAYS: tuple[Way, ...] = (create, create_many, turn_over)


def end_of(way: Way, account: Account, user: User) -> str:
    try:
        way(account, user)
    except TooManyShares:
        return "too many"
    return "done"


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(*pair, id=" while ".join(way.__name__ for way in pair)) for pair in product(WAYS, WAYS)],
)
def test_of_two_accounts_shared_at_once_one_is_too_many(
    first: Way, second: Way, family: Family, alice: User, bob: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [
        Account.objects.create(family=family, owner=alice, name=way.__name__, currency="EUR", is_private=True)
        for way in (first, second)
    ]
    for way, account in zip((first, second), accounts, strict=True):
        if way is turn_over:
            create(account, bob)
    monkeypatch.setattr(sharing, "MOST_SHARED_WITH", 1)

    end = answered_after(lambda: first(accounts[0], charlie), lambda: end_of(second, accounts[1], charlie), waits=False)

    assert end == "too many"
    assert [share.account_id for share in AccountShare.objects.filter(user=charlie)] == [accounts[0].pk]


def test_two_are_given_to_the_same_people_at_once_and_wait_for_each_other_and_not_for_ever(
    family: Family, alice: User, bob: User, charlie: User
) -> None:
    one, another = [
        Account.objects.create(family=family, owner=alice, name=name, currency="EUR", is_private=True)
        for name in ("One", "Another")
    ]

    def share(account: Account) -> list[AccountShare]:
        people = sorted((bob, charlie), key=lambda user: user.pk)
        return AccountShare.objects.bulk_create(AccountShare(account=account, user=user) for user in people)

    answered_after(lambda: share(one), lambda: share(another))

    assert AccountShare.objects.count() == 4


@pytest.mark.parametrize("is_first", [True, False], ids=["is shown, then ends", "ends, then is shown"])
@pytest.mark.parametrize("ends", [delete_user, deactivate])
def test_who_is_shown_an_account_while_they_end_is_waited_for_and_not_for_ever(
    ends: Change, is_first: bool, family: Family, alice: User, charlie: User
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="One", currency="EUR", is_private=True)
    refused: list[str] = []

    def is_shown() -> None:
        try:
            create(account, charlie)
        except IntegrityError as error:
            refused.append(type(error).__name__)

    both = is_shown, lambda: ends(family, account, charlie)
    queue_behind(lambda: sign_out(charlie.pk), *both[:: 1 if is_first else -1])

    assert not User.objects.filter(pk=charlie.pk, is_active=True).exists()
    assert bool(refused) is (ends is delete_user and not is_first)
    assert AccountShare.objects.exists() is (ends is deactivate)
    assert str(account_topic(account.pk)) not in readable(charlie)


def test_two_pages_that_share_with_the_same_people_in_opposite_orders_both_share(
    client: Client, admin: User, family: Family, alice: User, bob: User, charlie: User
) -> None:
    one, another = [
        Account.objects.create(family=family, owner=alice, name=name, currency="EUR", is_private=True)
        for name in ("One", "Another")
    ]
    client.force_login(admin)
    page = f"/admin/ledger/account/{one.pk}/change/"
    form = fields_of(client.get(page).content.decode()) | {"shares-TOTAL_FORMS": "2", "_save": "Save"}
    form |= {"shares-0-user": str(bob.pk), "shares-1-user": str(charlie.pk)}

    answer = met_the_wrong_way_round(
        lambda: create(another, charlie), lambda: create(another, bob), lambda: client.post(page, form)
    )

    assert answer.status_code == 302
    assert AccountShare.objects.count() == 4
