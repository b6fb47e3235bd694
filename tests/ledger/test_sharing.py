"""Whose sight an account comes into or leaves, and what each audience is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import Family, Membership, User
from ledger.errors import TooManyShares
from ledger.models import Account, AccountShare, Rule, Transaction
from ledger.services import sharing
from tests.ledger.conftest import Told, topics


def news(events: list[Told]) -> list[tuple[str, str, set[str]]]:
    """Type, action and topics of what is no control entry."""
    return [(each.type, each.data["action"], each.topics) for each in events if each.type != "RightsChanged"]


def rights(events: list[Told], account: Account, *kinds: str) -> dict[str, set[str]]:
    """Who gained and who lost the account's topic; or who is named in ``kinds`` of change."""
    topic = f"account:{account.pk}"
    changes = [each.data for each in events if each.type == "RightsChanged"]
    return {
        what: {change["user_id"] for change in changes if topic in change.get(what, ())}
        for what in kinds or ("gained", "lost")
    }


def ids(*users: User) -> set[str]:
    return {str(user.pk) for user in users}


@pytest.fixture
def share(private: Account, bob: User, told: Callable[..., list[Told]]) -> AccountShare:
    """The private account, shared with bob."""
    share = AccountShare.objects.create(account=private, user=bob)
    told()
    return share


def test_a_new_account_is_told_with_its_number_masked(
    family: Family, alice: User, told: Callable[..., list[Told]]
) -> None:
    told()

    account = Account.objects.create(family=family, owner=alice, name="New", currency="JPY", number="12345678")

    (event,) = told()
    assert (event.type, event.topics) == ("AccountUpdate", topics(account))
    assert event.data == {
        "account_id": str(account.pk),
        "action": "created",
        "data": {
            "id": str(account.pk),
            "family_id": str(family.pk),
            "owner_id": str(alice.pk),
            "name": "New",
            "type": "checking",
            "currency": "JPY",
            "number": "••••5678",
            "is_private": False,
            "shared_with": [],
            "balance": "0",
            "available_balance": "0",
            "version": 1,
        },
        "version": 1,
    }


def test_a_new_private_account_opens_its_topic_to_its_owner_alone(
    family: Family, alice: User, told: Callable[..., list[Told]]
) -> None:
    told()

    account = Account.objects.create(family=family, owner=alice, name="New", currency="EUR", is_private=True)

    events = told()
    assert news(events) == [("AccountUpdate", "created", {f"account:{account.pk}"})]
    assert rights(events, account) == {"gained": ids(alice), "lost": set()}


def test_nothing_of_a_private_account_is_told_to_the_family(
    private: Account, family: Family, alice: User, told: Callable[..., list[Told]]
) -> None:
    told()

    row = Transaction.objects.create(account=private, amount=5, created_by=alice, description="Secret")
    Transaction.objects.update(description="More secret")
    row.delete()
    Account.objects.filter(pk=private.pk).update(name="Secret")
    Account.objects.filter(pk=private.pk).delete()

    assert {topic for each in told() if each.type != "RightsChanged" for topic in each.topics} == {
        f"account:{private.pk}"
    }


def test_an_account_made_private_leaves_the_familys_sight(
    account: Account, family: Family, alice: User, bob: User, vera: User, told: Callable[..., list[Told]]
) -> None:
    Rule.objects.create(family=family, name="There", account=account)
    told()

    account.is_private = True
    account.save()

    events = told()
    everyone, few = {f"family:{family.pk}"}, {f"account:{account.pk}"}
    assert news(events) == [
        ("AccountUpdate", "deleted", everyone),
        ("AccountUpdate", "created", few),
        ("RuleUpdate", "deleted", everyone),
        ("RuleUpdate", "created", few),
    ]
    assert rights(events, account) == {"gained": set(), "lost": ids(bob, vera)}
    assert rights(events, account, "offered") == {"offered": ids(alice)}


def test_rights_are_told_before_the_news_of_a_private_account(
    account: Account, told: Callable[..., list[Told]]
) -> None:
    told()

    Account.objects.filter(pk=account.pk).update(is_private=True)

    assert [each.type for each in told()] == ["RightsChanged"] * 3 + ["AccountUpdate"] * 2


def test_an_account_made_public_comes_into_the_familys_sight(
    private: Account, family: Family, bob: User, vera: User, told: Callable[..., list[Told]]
) -> None:
    told()

    Account.objects.filter(pk=private.pk).update(is_private=False)

    events = told()
    assert news(events) == [
        ("AccountUpdate", "created", {f"family:{family.pk}"}),
        ("AccountUpdate", "updated", {f"account:{private.pk}"}),
    ]
    assert rights(events, private) == {"gained": ids(bob, vera), "lost": set()}


def test_a_private_account_handed_over_changes_sight(
    private: Account, alice: User, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    private.owner = bob
    private.save()

    events = told()
    assert rights(events, private) == {"gained": ids(bob), "lost": ids(alice)}
    assert news(events) == [("AccountUpdate", "updated", {f"account:{private.pk}"})]


@pytest.mark.parametrize(
    "give",
    [
        lambda account, user: account.shared_with.add(user),
        lambda account, user: account.shared_with.set([user]),
        lambda account, user: AccountShare.objects.create(account=account, user=user),
        lambda account, user: AccountShare.objects.bulk_create([AccountShare(account=account, user=user)]),
    ],
)
def test_sharing_opens_the_account_and_raises_its_version(
    give: Callable[[Account, User], object], private: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    give(private, bob)

    events = told()
    assert rights(events, private) == {"gained": ids(bob), "lost": set()}
    (update,) = [each for each in events if each.type == "AccountUpdate"]
    assert (update.data["action"], update.data["version"], update.data["data"]["shared_with"]) == (
        "updated",
        2,
        [str(bob.pk)],
    )


@pytest.mark.parametrize(
    "take",
    [
        lambda account, user: account.shared_with.remove(user),
        lambda account, user: account.shared_with.clear(),
        lambda account, user: account.shared_with.set([]),
        lambda account, user: AccountShare.objects.all().delete(),
    ],
)
def test_taking_a_share_back_closes_the_account(
    take: Callable[[Account, User], object],
    share: AccountShare,
    private: Account,
    bob: User,
    told: Callable[..., list[Told]],
) -> None:
    take(private, bob)

    events = told()
    assert rights(events, private) == {"gained": set(), "lost": ids(bob)}
    assert [each.data["data"]["shared_with"] for each in events if each.type == "AccountUpdate"] == [[]]


def test_sharing_what_someone_sees_anyway_changes_no_rights(
    account: Account, bob: User, told: Callable[..., list[Told]]
) -> None:
    told()

    account.shared_with.add(bob)
    account.shared_with.remove(bob)

    assert rights(told(), account) == {"gained": set(), "lost": set()}


@pytest.mark.parametrize(
    "leave",
    [
        lambda user: Membership.objects.filter(user=user).delete(),
        lambda user: Membership.objects.filter(user=user).update(is_active=False),
        lambda user: user.delete(),
    ],
)
def test_who_leaves_the_family_loses_all_of_its_accounts_shared_ones_too(
    leave: Callable[[User], object],
    share: AccountShare,
    private: Account,
    account: Account,
    bob: User,
    told: Callable[..., list[Told]],
) -> None:
    told()
    lost = ids(bob)

    leave(bob)

    events = told()
    assert rights(events, account)["lost"] == rights(events, private)["lost"] == lost
    assert AccountShare.objects.count() == 0


def test_who_joins_is_given_the_familys_accounts_and_not_the_private_ones(
    account: Account, private: Account, charlie: User, told: Callable[..., list[Told]]
) -> None:
    told()

    Membership.objects.create(family=account.family, user=charlie)

    events = told()
    assert rights(events, account)["gained"] == ids(charlie)
    assert rights(events, private)["gained"] == set()


def test_a_change_of_role_keeps_shares(share: AccountShare, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role="viewer")

    assert AccountShare.objects.count() == 1


def test_a_deleted_account_is_told_before_its_topic_is_closed(
    share: AccountShare, private: Account, alice: User, bob: User, told: Callable[..., list[Told]]
) -> None:
    Account.objects.filter(pk=private.pk).delete()

    events = told()
    assert rights(events, private)["lost"] == ids(alice, bob)
    (gone,) = [each for each in events if each.type == "AccountUpdate"]
    assert (gone.data["action"], gone.topics) == ("deleted", {f"account:{private.pk}"})


def test_nobody_is_shown_more_accounts_of_others_than_one_can_be(
    family: Family, alice: User, charlie: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST_SHARED_WITH", 2)
    accounts = [
        Account.objects.create(family=family, owner=alice, name=f"Own {number}", currency="EUR", is_private=True)
        for number in range(3)
    ]
    AccountShare.objects.bulk_create(AccountShare(account=each, user=charlie) for each in accounts[:2])

    with pytest.raises(TooManyShares, match="take one back"), transaction.atomic():
        AccountShare.objects.create(account=accounts[2], user=charlie)

    AccountShare.objects.filter(account=accounts[0]).delete()
    AccountShare.objects.create(account=accounts[2], user=charlie)
    assert set(AccountShare.objects.values_list("account", flat=True)) == {each.pk for each in accounts[1:]}
