from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.access import role_in
from accounts.models import Family, User
from ledger import access, demo
from ledger.models import Account, Payee, Rule, Transaction, Transfer
from ledger.services import credits as credit
from tests.ledger.conftest import Told, assert_the_law_holds


def run(name: str, *args: object, **options: object) -> str:
    out = StringIO()
    call_command(name, *map(str, args), stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def demo_family(db: None) -> Family:
    demo.create()
    return Family.objects.get(name=demo.FAMILY)


def test_the_demo_has_its_people_in_their_places(demo_family: Family) -> None:
    people = {user.username: user for user in User.objects.all()}

    assert {name: role_in(user, demo_family.pk) for name, user in people.items()} == {
        "alice": "owner",
        "bob": "member",
        "vera": "viewer",
        "charlie": None,
        "admin": None,
    }
    assert (people["admin"].is_staff, people["admin"].is_superuser) == (True, True)
    assert all(user.check_password("demo-ledger") for user in people.values())


def test_the_demo_has_a_household(demo_family: Family) -> None:
    accounts = Account.objects.filter(family=demo_family)

    assert accounts.count() == 5
    assert [each.name for each in accounts.filter(is_private=True)] == ["Alice's own"]
    assert 250 <= Transaction.objects.count() <= 600
    assert Payee.objects.count() == 11
    assert Rule.objects.count() == 3
    assert Transfer.objects.count() == 12
    assert Transaction.objects.filter(category="leisure", description__startswith="STREAMLY").exists()
    assert_the_law_holds()


def test_bob_does_not_see_what_is_alices_own(demo_family: Family) -> None:
    bob = User.objects.get(username="bob")

    assert not access.visible_accounts(bob).filter(is_private=True).exists()
    assert access.visible_accounts(bob).count() == 4


def test_the_demo_is_the_same_every_time(demo_family: Family) -> None:
    def summary() -> list[tuple[object, ...]]:
        rows = Transaction.objects.order_by("account__name", "date", "amount", "description")
        return list(rows.values_list("account__name", "date", "amount", "description", "category"))

    first = summary()
    for model in (Transfer, Account, Family, User):
        model.objects.all().delete()
    demo.create()

    assert summary() == first


def test_creating_the_demo_again_keeps_what_is_there(demo_family: Family, told: Callable[..., list[Told]]) -> None:
    Transaction.objects.filter(account__name="Everyday").first().delete()  # type: ignore[union-attr]
    count = Transaction.objects.count()
    told()

    said = run("create_demo")

    assert "is there already" in said
    assert (Transaction.objects.count(), told()) == (count, [])


def test_the_demo_leaves_a_user_of_the_same_name_alone(make_user: Callable[..., User]) -> None:
    make_user("alice")

    run("create_demo")

    assert not User.objects.get(username="alice").check_password("demo-ledger")


def test_a_simulated_change_of_credit_is_told(alice: User, told: Callable[..., list[Told]]) -> None:
    told()

    said = run("simulate_credit_change", "alice", "12.50", "reward")

    assert said == "alice: 12.50 (reward), now 12.50\n"
    assert [(each.type, each.topics) for each in told()] == [("CreditBalanceUpdate", {f"user:{alice.pk}"})]


def test_a_simulated_change_may_take_away(alice: User) -> None:
    credit.change(alice, Decimal(20), "reward")

    assert run("simulate_credit_change", "alice", "-12.50", "usage") == "alice: -12.50 (usage), now 7.50\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nobody", "1", "reward"), "there is no user 'nobody'"),
        (("alice", "-1", "usage"), "Credit is 0.00; 1.00 cannot be taken from it."),
        (("alice", "much", "reward"), "'much' is no amount"),
        (("alice", "1", "fun"), "invalid choice: 'fun'"),
    ],
)
def test_a_change_that_cannot_be_simulated_says_why(args: tuple[str, ...], message: str, alice: User) -> None:
    with pytest.raises(CommandError, match=message):
        run("simulate_credit_change", *args)

    assert credit.balance_of(alice).version == 0


def test_simulated_traffic_writes_at_its_rate_and_touches_only_its_own(
    demo_family: Family, told: Callable[..., list[Told]]
) -> None:
    before = {row.pk: row.version for row in Transaction.objects.all()}
    told()

    said = run("simulate_traffic", rate=400.0, seconds=0.1, seed=1)

    assert sum(int(part.split()[0]) for part in said.split(" in ")[0].split(", ")) == 40
    assert {row.pk: row.version for row in Transaction.objects.filter(pk__in=before)} == before
    assert {each.data["data"]["account_id"] for each in told("TransactionUpdate")} <= {
        str(each.pk) for each in Account.objects.filter(is_private=False)
    }
    assert_the_law_holds()


def test_traffic_without_a_family_says_how_to_get_one(db: None) -> None:
    with pytest.raises(CommandError, match="create_demo makes one"):
        run("simulate_traffic")
