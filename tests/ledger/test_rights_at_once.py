"""Two changes of rights that overlap, neither seeing the other: in whatever order, the log says what the rows say."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from threading import Event

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from rest_framework.exceptions import ValidationError

from accounts import members
from accounts.models import Family, Membership, User
from accounts.sessions import sign_out
from accounts.topics import family_topic
from config.services.waiting import wait_until
from ledger.models import Account, AccountShare, Transaction
from ledger.topics import account_topic
from realtime import log, topics
from realtime.controls import control_entries
from tests.realtime.concurrently import PATIENCE, beside, how_many_wait, somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)

Change = Callable[[Family, Account, User], object]


def leave(family: Family, account: Account, user: User) -> None:
    Membership.objects.filter(family=family, user=user).update(is_active=False)


def come_back(family: Family, account: Account, user: User) -> None:
    Membership.objects.filter(family=family, user=user).update(is_active=True)


def join(family: Family, account: Account, user: User) -> None:
    Membership.objects.create(family=family, user_id=user.pk, role="member")


def join_by_invitation(family: Family, account: Account, user: User) -> None:
    members.add(family.pk, user.username, "member", by=account.owner)


def hide(family: Family, account: Account, user: User) -> None:
    Account.objects.filter(pk=account.pk).update(is_private=True)


def show(family: Family, account: Account, user: User) -> None:
    Account.objects.filter(pk=account.pk).update(is_private=False)


def share(family: Family, account: Account, user: User) -> None:
    AccountShare.objects.create(account=account, user=user)


def unshare(family: Family, account: Account, user: User) -> None:
    AccountShare.objects.filter(account=account, user=user).delete()


def hand_over(family: Family, account: Account, user: User) -> None:
    Account.objects.filter(pk=account.pk).update(owner=user)


def open_another(family: Family, account: Account, user: User) -> None:
    Account.objects.create(family=family, owner=account.owner, name="Another", currency="EUR")


def close(family: Family, account: Account, user: User) -> None:
    Account.objects.filter(pk=account.pk).delete()


def hide_from(family: Family, account: Account, user: User) -> None:
    """As REST changes both at once."""
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(is_private=True)
        AccountShare.objects.filter(account=account).delete()


def delete_user(family: Family, account: Account, user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


def deactivate(family: Family, account: Account, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def activate(family: Family, account: Account, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=True)


# What was before, and the two that overlap; in both orders.
PAIRS: list[tuple[tuple[Change, ...], Change, Change]] = [
    ((), join, hide),
    ((join, leave), come_back, hide),
    ((join, hide), leave, show),
    ((join,), leave, open_another),
    ((), join, open_another),
    ((join, share), unshare, hide),
    ((join,), share, hide),
    ((join, hide, share), leave, unshare),
    ((join, hide), leave, share),
    ((join, hide), share, show),
    ((join, hide), leave, hand_over),
    ((join, hide, share), hide, unshare),
    ((deactivate,), activate, join),
    ((join, leave, deactivate), activate, come_back),
]
ORDERS = [
    pytest.param(before, *pair, id=f"{pair[0].__name__} while {pair[1].__name__}")
    for before, *changes in PAIRS
    for pair in (changes, changes[::-1])
]


@pytest.mark.parametrize(("before", "first", "second"), ORDERS)
@pytest.mark.usefixtures("two_writers")
def test_the_log_says_last_of_each_topic_what_the_rows_say(
    before: tuple[Change, ...], first: Change, second: Change, family: Family, alice: User, charlie: User
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")
    for change in before:
        change(family, account, charlie)
    could_read = readable(charlie)

    begun = Event()
    with beside(lambda: begun.wait(PATIENCE) and second(family, account, charlie)) as other:
        with transaction.atomic():
            first(family, account, charlie)
            begun.set()
            wait_until(lambda: other.done() or somebody_waits(), PATIENCE, lambda: "it neither ended nor waited")
            with beside(lambda: readable(charlie)) as seen:
                could_read |= seen.result(PATIENCE)
        other.result(PATIENCE)

    can_read = readable(charlie)
    last_words = said_of(charlie)
    lost = {topic for topic in could_read | can_read if last_words.get(topic) == "lost"}
    assert lost == could_read - can_read
    come_unasked = {str(topic) for topic in topics.automatic(charlie)} & (can_read - could_read)
    assert {last_words.get(topic) for topic in come_unasked} <= {"gained"}


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param((join,), share, id="share"),
        pytest.param((join, share), unshare, id="unshare"),
        pytest.param((join, share), leave, id="leave"),
    ],
)
@pytest.mark.usefixtures("two_writers")
def test_a_change_of_rights_and_a_payment_queue_for_an_account_in_one_order(
    before: tuple[Change, ...], change: Change, family: Family, alice: User, bob: User, charlie: User
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")
    for each in before:
        each(family, account, charlie)

    queue_behind(
        lambda: leave(family, account, bob),  # holds the account, and what both others want of it next is free
        lambda: change(family, account, charlie),
        lambda: pay(account),
    )


@pytest.mark.parametrize("way", [1, -1], ids=["in this order", "the other way round"])
@pytest.mark.parametrize(
    ("before", "first", "second"),
    [
        pytest.param((join, share), close, unshare, id="close and unshare"),
        pytest.param((join, share), close, leave, id="close and leave"),
        pytest.param((join, share), hide, unshare, id="hide and unshare"),
        pytest.param((join, share), hide_from, leave, id="hide, sharing with nobody, and leave"),
        pytest.param((join, share), close, delete_user, id="close and delete the user"),
        pytest.param((join, share), leave, delete_user, id="leave and delete the user"),
        pytest.param((join, share), leave, unshare, id="leave and unshare"),
        pytest.param((join,), share, leave, id="share and leave"),
    ],
)
@pytest.mark.usefixtures("two_writers")
def test_who_comes_to_an_account_and_who_comes_to_its_shares_wait_for_each_other_and_not_for_ever(
    before: tuple[Change, ...],
    first: Change,
    second: Change,
    way: int,
    family: Family,
    alice: User,
    bob: User,
    charlie: User,
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")
    for each in before:
        each(family, account, charlie)
    one, other = (first, second)[::way]

    queue_behind(
        lambda: leave(family, account, bob),  # holds the account
        lambda: one(family, account, charlie),
        lambda: other(family, account, charlie),
    )


@pytest.mark.parametrize("joins", [join_by_invitation, join])
@pytest.mark.parametrize("is_first", [True, False], ids=["joins, then is deleted", "is deleted, then joins"])
@pytest.mark.usefixtures("two_writers")
def test_who_joins_while_they_are_deleted_ends_as_if_one_had_come_after_the_other(
    joins: Change, is_first: bool, family: Family, alice: User, bob: User, charlie: User
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")
    share(family, account, charlie)  # so that both come for the account
    refused: list[str] = []

    def joined() -> None:
        try:
            joins(family, account, charlie)
        except (IntegrityError, ObjectDoesNotExist, ValidationError) as error:
            refused.append(type(error).__name__)

    both = joined, lambda: delete_user(family, account, charlie)
    queue_behind(lambda: leave(family, account, bob), *both[:: 1 if is_first else -1])

    assert bool(refused) is not is_first
    assert joins is join or set(refused) <= {"ValidationError"}
    assert not User.objects.filter(pk=charlie.pk).exists()
    assert not Membership.objects.filter(user=charlie.pk).exists()


@pytest.mark.usefixtures("two_writers")
def test_who_was_made_a_member_when_their_deletion_had_begun_is_deleted_with_that(
    family: Family, alice: User, charlie: User
) -> None:
    account = Account.objects.create(family=family, owner=alice, name="Everyday", currency="EUR")

    begun = Event()
    with beside(lambda: begun.wait(PATIENCE) and User.objects.get(pk=charlie.pk).delete()) as deleted:
        with transaction.atomic():
            sign_out(charlie.pk)  # holds the user, though not from who refers to them
            begun.set()
            wait_until(somebody_waits, PATIENCE, lambda: "the deletion did not come to the user")
            with beside(lambda: join(family, account, charlie)) as joined:
                joined.result(PATIENCE)
        deleted.result(PATIENCE)

    assert not User.objects.filter(pk=charlie.pk).exists()
    assert not Membership.objects.filter(user=charlie.pk).exists()
    assert said_of(charlie)[str(family_topic(family.pk))] == "lost"


def save_as_inactive(user: User) -> None:
    user.is_active = False
    user.save()


def deactivate_by_query(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("way", [save_as_inactive, deactivate_by_query])
@pytest.mark.usefixtures("two_writers")
def test_two_of_the_same_families_who_joined_them_in_opposite_orders_are_deactivated_at_once(
    way: Callable[[User], None], family: Family, alice: User, charlie: User, make_user: Callable[..., User]
) -> None:
    other, dora = Family.objects.create(name="Other"), make_user("dora")
    for each in (family, other):
        Account.objects.create(family=each, owner=alice, name="Everyday", currency="EUR")
    for user, families in ((charlie, (family, other)), (dora, (other, family))):
        for each in families:
            Membership.objects.create(family=each, user=user, role="member")

    begun = Event()
    with (
        beside(lambda: begun.wait(PATIENCE) and way(charlie)) as one,
        beside(lambda: begun.wait(PATIENCE) and way(dora)) as another,
    ):
        with transaction.atomic():
            list(Account.objects.select_for_update(no_key=True))
            begun.set()
            wait_until(lambda: how_many_wait() == 2, PATIENCE, lambda: "they did not both wait")
        one.result(PATIENCE)
        another.result(PATIENCE)

    assert not User.objects.filter(pk__in=[charlie.pk, dora.pk], is_active=True).exists()


def queue_behind(holder: Callable[[], object], first: Callable[[], object], second: Callable[[], object]) -> None:
    """Let two wait, in this order, for what ``holder`` holds until its transaction ends; both must come to an end."""
    begun, queued = Event(), Event()
    with (
        beside(lambda: begun.wait(PATIENCE) and first()) as ahead,
        beside(lambda: queued.wait(PATIENCE) and second()) as behind,
    ):
        with transaction.atomic():
            holder()
            begun.set()
            wait_until(lambda: how_many_wait() == 1, PATIENCE, lambda: "the first did not wait")
            queued.set()
            wait_until(lambda: how_many_wait() == 2, PATIENCE, lambda: "the second did not wait")
        ahead.result(PATIENCE)
        behind.result(PATIENCE)


def pay(account: Account) -> None:
    Transaction.objects.create(account=account, amount=Decimal(-1))


def readable(user: User) -> set[str]:
    """What the user may read now, of families and accounts, by the rows that are committed."""
    accounts = [str(account_topic(pk)) for pk in Account.objects.values_list("pk", flat=True)]
    families = [str(family_topic(pk)) for pk in Family.objects.values_list("pk", flat=True)]
    return {str(topic) for topic in topics.readable(user, [*accounts, *families])}


def said_of(user: User) -> dict[str, str]:
    """The log's last word on each topic of the user: gained or lost."""
    while log.sequence() is not None:
        pass
    words: dict[str, str] = {}
    for entry in control_entries(user.pk, 0):
        change = json.loads(entry.data)
        for word in ("lost", "gained"):
            words |= dict.fromkeys(change.get(word, []), word)
    return words
