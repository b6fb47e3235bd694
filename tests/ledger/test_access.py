from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import Family, Membership, User
from ledger import access
from ledger.models import Account, Notification, Payee, Rule, Transaction
from ledger.topics import rules_topic
from realtime import topics

People = dict[str, User]


@pytest.fixture
def people(family: Family, alice: User, bob: User, vera: User, charlie: User, admin: User) -> People:
    return {"alice": alice, "bob": bob, "vera": vera, "charlie": charlie, "admin": admin}


def sees(people: People, account: Account) -> set[str]:
    """Who may subscribe to the account's topic."""
    wanted = f"account:{account.pk}"
    return {name for name, user in people.items() if topics.readable(user, [wanted])}


def test_an_account_of_the_family_is_seen_by_its_members(people: People, account: Account) -> None:
    assert sees(people, account) == {"alice", "bob", "vera"}


def test_a_private_account_is_seen_by_its_owner_and_those_it_is_shared_with(people: People, private: Account) -> None:
    alone = sees(people, private)
    private.shared_with.add(people["bob"], people["charlie"])

    assert alone == {"alice"}
    assert sees(people, private) == {"alice", "bob", "charlie"}


def test_who_is_staff_sees_no_more_of_topics_than_others(people: People, account: Account) -> None:
    assert not topics.readable(people["admin"], [f"account:{account.pk}"])


@pytest.mark.parametrize("away", ["inactive", "left", "deactivated"])
def test_who_is_away_sees_nothing_not_even_their_own(
    away: str, people: People, account: Account, private: Account
) -> None:
    alice = people["alice"]
    if away == "inactive":
        Membership.objects.filter(user=alice).update(is_active=False)
    elif away == "left":
        Membership.objects.filter(user=alice).delete()
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)

    assert "alice" not in sees(people, account) | sees(people, private)
    assert topics.automatic(alice) <= {"global", f"user:{alice.pk}"}


def test_nobody_who_is_signed_out_sees_anything(account: Account) -> None:
    nobody = AnonymousUser()

    for rows in (
        access.visible_accounts(nobody),
        access.visible_transactions(nobody),
        access.visible_payees(nobody),
        access.visible_rules(nobody),
        access.visible_transfers(nobody),
        access.visible_notifications(nobody),
    ):
        assert not rows.exists()
    assert not access.AccountKind().automatic(nobody)


def test_only_what_no_family_topic_carries_is_subscribed_to_by_itself(
    people: People, account: Account, private: Account, elsewhere: Account
) -> None:
    elsewhere.shared_with.add(people["alice"])

    mine = {each for each in topics.automatic(people["alice"]) if each.startswith("account:")}

    assert mine == {f"account:{private.pk}", f"account:{elsewhere.pk}"}
    assert not [each for each in topics.automatic(people["bob"]) if each.startswith("account:")]


def test_members_write_viewers_and_guests_do_not(people: People, account: Account) -> None:
    account.shared_with.add(people["charlie"])

    writers = {name for name, user in people.items() if access.may_write_account(user, account)}

    assert writers == {"alice", "bob"}


def test_an_account_is_managed_by_its_owner_and_who_manages_the_family(people: People, account: Account) -> None:
    account.owner = people["bob"]
    account.save()

    assert {name for name, user in people.items() if access.may_manage_account(user, account)} == {"alice", "bob"}
    assert {name for name, user in people.items() if access.may_see_full_number(user, account)} == {"alice", "bob"}


def test_who_manages_the_family_does_not_manage_what_they_cannot_see(people: People, private: Account) -> None:
    private.owner = people["bob"]
    private.save()

    assert not access.may_manage_account(people["alice"], private)
    assert not access.may_see_full_number(people["alice"], private)


@pytest.mark.parametrize("text", ["account:", "account:x", "account", "account:00000000-0000-0000-0000-000000000000"])
def test_a_topic_of_no_account_is_read_by_nobody(text: str, people: People, account: Account) -> None:
    assert not topics.readable(people["alice"], [text])


def test_rows_of_a_private_account_are_seen_with_it(people: People, account: Account, private: Account) -> None:
    for each in (account, private):
        Transaction.objects.create(account=each, amount=1)
        Rule.objects.create(family=account.family, name=each.name, account=each)
    Rule.objects.create(family=account.family, name="Everywhere")

    counts: dict[str, tuple[int, int]] = {
        name: (access.visible_transactions(user).count(), access.visible_rules(user).count())
        for name, user in people.items()
    }

    assert counts == {"alice": (2, 3), "bob": (1, 2), "vera": (1, 2), "charlie": (0, 0), "admin": (0, 0)}


def test_a_rule_is_seen_by_those_who_are_told_of_it(people: People, account: Account, private: Account) -> None:
    for each in (account, private):
        each.shared_with.add(people["charlie"])
    rules = {
        each.name: Rule.objects.create(family=each.family, name=each.name, account=each) for each in (account, private)
    }

    seen = {name: set(access.visible_rules(user)) for name, user in people.items()}

    told = {
        name: {rules[each.name] for each in (account, private) if topics.readable(user, [rules_topic(each)])}
        for name, user in people.items()
    }
    assert seen == told
    assert seen["charlie"] == {rules[private.name]}


def test_notices_and_payees_are_seen_by_whom_they_are_for(
    people: People, family: Family, payee: Payee, make_user: Callable[..., User]
) -> None:
    Notification.objects.create(title="alice", user=people["alice"])
    Notification.objects.create(title="family", family=family)
    Notification.objects.create(title="everyone")

    def titles(name: str) -> set[str]:
        return set(access.visible_notifications(people[name]).values_list("title", flat=True))

    assert (titles("alice"), titles("bob"), titles("charlie")) == (
        {"alice", "family", "everyone"},
        {"family", "everyone"},
        {"everyone"},
    )
    assert [access.visible_payees(people[name]).count() for name in ("vera", "charlie")] == [1, 0]


def test_who_may_read_an_account_is_the_same_from_both_ends(
    people: People, account: Account, private: Account, elsewhere: Account
) -> None:
    private.shared_with.add(people["charlie"])
    Membership.objects.filter(user=people["vera"]).update(is_active=False)

    for each in (account, private, elsewhere):
        assert access.readers(each) == {people[name].pk for name in sees(people, each)}
