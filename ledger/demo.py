"""The demo family: half a year of a household, the same every time.

Separate from the command that asks for it, so that tests and benchmarks can have it too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import Family, Membership, Role, User
from ledger.models import Account, Payee, Rule, Transaction
from ledger.money import DECIMALS
from ledger.services import credits as credit
from ledger.services import notices, transfers

PASSWORD = "demo-ledger"  # noqa: S105  (in the README: the demo is for everyone)
FAMILY = "Demo family"
OTHER_FAMILY = "Charlie's family"
DAYS = 180
SEED = 20260102

PEOPLE = {
    "alice": ("Alice", Role.OWNER),
    "bob": ("Bob", Role.MEMBER),
    "vera": ("Vera", Role.VIEWER),
}

# Name, category, description, least and greatest amount in cents, and how many days lie between two.
HABITS = [
    ("Corner Market", "groceries", "CORNER MARKET 0417", -9500, -1200, 4),
    ("Bakery Miller", "groceries", "Bakery Miller", -1450, -280, 5),
    ("City Transport", "transport", "City Transport ticket", -7900, -290, 9),
    ("Blue Cafe", "eating out", "BLUE CAFE", -2400, -420, 6),
    ("Trattoria Sole", "eating out", "Trattoria Sole", -8800, -3100, 17),
    ("Book Nook", "leisure", "Book Nook order", -4900, -900, 23),
    ("Pharmacy Rose", "health", "Pharmacy Rose", -3900, -500, 29),
]
MONTHLY = [
    ("Northern Power", "utilities", "Northern Power instalment", -8900),
    ("Streamly", "leisure", "STREAMLY SUBSCRIPTION", -1299),
    ("Home Rental Ltd", "housing", "Rent", -98000),
    ("Employer Inc", "income", "Salary", 324000),
]
RULES = [
    ("Cafe is eating out", "blue cafe", "eating out", "Blue Cafe"),
    ("Streaming is leisure", "streamly", "leisure", "Streamly"),
    ("Market is groceries", "corner market", "groceries", "Corner Market"),
]


@dataclass
class Demo:
    """The demo family as it is being made."""

    today: date
    random: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311  (the same every time)
    people: dict[str, User] = field(default_factory=dict)
    payees: dict[str, Payee] = field(default_factory=dict)


def create() -> bool:
    """Make the demo family, all of it or nothing; False if it is there already, which is then left as it is."""
    with transaction.atomic():
        if Family.objects.filter(name=FAMILY).exists():
            return False
        demo = Demo(timezone.localdate())
        family = _people(demo)
        accounts = _accounts(demo, family)
        _payees_and_rules(demo, family)
        for name in ("Everyday", "Credit card"):
            Transaction.objects.bulk_create(_household(demo, accounts[name]))
        _the_rest(demo, accounts)
        _credits(demo)
        notices.send("Welcome", "Sign in twice and watch the pages agree.", family=family, level="success")
        _other_family(demo)
    return True


def _people(demo: Demo) -> Family:
    family = Family.objects.create(name=FAMILY)
    for username, (first_name, role) in PEOPLE.items():
        demo.people[username] = _person(username, first_name)
        Membership.objects.create(family=family, user=demo.people[username], role=role)
    _person("admin", "Ada", is_staff=True, is_superuser=True)
    return family


def _person(username: str, first_name: str, **rights: bool) -> User:
    """The user of this name; one who is there already is left alone, password and all."""
    known = User.objects.filter(username=username).first()
    email = f"{username}@example.org"
    return known or User.objects.create_user(username, email, PASSWORD, first_name=first_name, **rights)


def _accounts(demo: Demo, family: Family) -> dict[str, Account]:
    rows = [
        ("Everyday", "alice", Account.Type.CHECKING, "EUR", "DE02120300000000202051", False),
        ("Savings", "alice", Account.Type.SAVINGS, "EUR", "DE02500105170137075030", False),
        ("Credit card", "bob", Account.Type.CREDIT, "EUR", "4111111111111111", False),
        ("Travel cash", "bob", Account.Type.CASH, "JPY", "", False),
        ("Alice's own", "alice", Account.Type.CHECKING, "EUR", "DE02300209000106531065", True),
    ]
    return {
        name: Account.objects.create(
            family=family,
            owner=demo.people[owner],
            name=name,
            type=type,
            currency=currency,
            number=number,
            is_private=is_private,
        )
        for name, owner, type, currency, number, is_private in rows
    }


def _payees_and_rules(demo: Demo, family: Family) -> None:
    for name, category in [(each[0], each[1]) for each in HABITS] + [(each[0], each[1]) for each in MONTHLY]:
        demo.payees[name] = Payee.objects.create(family=family, name=name, category=category)
    for priority, (name, contains, category, payee) in enumerate(RULES):
        Rule.objects.create(
            family=family,
            name=name,
            priority=priority,
            description_contains=contains,
            set_category=category,
            set_payee=demo.payees[payee],
            created_by=demo.people["alice"],
        )


def _household(demo: Demo, account: Account) -> Iterator[Transaction]:
    """Half a year of one account: what comes every month, and what comes as it comes."""
    if account.name == "Everyday":
        for name, category, description, cents in MONTHLY:
            for days in range(DAYS - 5, 0, -30):
                yield _payment(demo, account, "alice", name, category, description, cents, days)
    for name, category, description, least, greatest, every in HABITS:
        days = DAYS - demo.random.randrange(every)
        while days > 0:
            who = demo.random.choice(["alice", "bob"])
            cents = demo.random.randint(least, greatest)
            yield _payment(demo, account, who, name, category, description, cents, days)
            days -= demo.random.randint(1, 2 * every)


def _payment(
    demo: Demo, account: Account, who: str, name: str, category: str, description: str, cents: int, days: int
) -> Transaction:
    # What a rule will recognise is left for it to fill in.
    by_rule = any(contains in description.casefold() for _, contains, *_ in RULES)
    return Transaction(
        account=account,
        amount=_amount(cents, account.currency),
        status=Transaction.Status.PENDING if days <= 2 else Transaction.Status.POSTED,
        description=description,
        payee=None if by_rule else demo.payees[name],
        category="" if by_rule else category,
        date=demo.today - timedelta(days=days),
        created_by=demo.people[who],
    )


def _the_rest(demo: Demo, accounts: dict[str, Account]) -> None:
    alice, bob = demo.people["alice"], demo.people["bob"]
    for days in range(DAYS - 10, 0, -30):
        when = demo.today - timedelta(days=days)
        to_savings, to_card = Decimal("250.00"), Decimal("300.00")
        transfers.create(
            alice, accounts["Everyday"], accounts["Savings"], to_savings, description="Rainy day", date=when
        )
        transfers.create(bob, accounts["Everyday"], accounts["Credit card"], to_card, description="Card", date=when)
    for account, who, cents, description, days in [
        ("Travel cash", bob, 3_000_000, "Withdrawn for the journey", 20),
        ("Travel cash", bob, -145_000, "Noodles", 18),
        ("Alice's own", alice, 50_000, "From grandmother", 90),
        ("Alice's own", alice, -4_990, "Surprise for Bob", 12),
    ]:
        Transaction.objects.create(
            account=accounts[account],
            amount=_amount(cents, accounts[account].currency),
            description=description,
            category="other",
            payee=None,
            date=demo.today - timedelta(days=days),
            created_by=who,
        )


def _credits(demo: Demo) -> None:
    alice, bob = demo.people["alice"], demo.people["bob"]
    credit.change(alice, Decimal("1000.00"), "purchase", {"package": "standard"})
    credit.change(alice, Decimal("-12.50"), "usage", {"feature": "report"})
    credit.change(bob, Decimal("250.00"), "reward", {"campaign": "welcome"})


def _other_family(demo: Demo) -> None:
    charlie = _person("charlie", "Charlie")
    family = Family.objects.create(name=OTHER_FAMILY)
    Membership.objects.create(family=family, user=charlie, role=Role.OWNER)
    account = Account.objects.create(family=family, owner=charlie, name="Checking", currency="USD")
    Transaction.objects.create(
        account=account, amount=Decimal("1250.00"), description="Opening", date=demo.today, created_by=charlie
    )


def _amount(cents: int, currency: str) -> Decimal:
    """Hundredths as an amount of the currency, with the decimals it has."""
    return (Decimal(cents) / 100).quantize(Decimal(1).scaleb(-DECIMALS[currency]))
