"""``manage.py simulate_traffic --rate 20 --seconds 30``: a household in a hurry, from a process of its own."""

from __future__ import annotations

import random
import time
from argparse import ArgumentTypeError
from collections import Counter
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.demo import FAMILY
from ledger.models import Account, Transaction
from ledger.money import DECIMALS

DESCRIPTIONS = ["Corner Market", "BLUE CAFE", "City Transport ticket", "Flea market", "Ice cream", "Streamly"]
MOST_KEPT = 200
"""Transactions of its own that it still changes and deletes."""


def above_zero(text: str) -> float:
    """A number above zero, as an argument."""
    try:
        number = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < number < float("inf"):
        raise ArgumentTypeError("give a number above zero")
    return number


class Command(BaseCommand):
    help = "Create, change and delete transactions at a steady rate; only such as it made itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=above_zero, default=5.0, help="writes per second (default: 5)")
        parser.add_argument("--seconds", type=above_zero, default=30.0, help="how long (default: 30)")
        parser.add_argument("--family", default=FAMILY, help=f"name of the family (default: {FAMILY})")
        parser.add_argument("--seed", type=int, default=None, help="the same seed writes the same")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = list(Account.objects.filter(family__name=options["family"], is_private=False).order_by("pk"))
        if not accounts:
            raise CommandError(f"no family {options['family']!r} with accounts; create_demo makes one")
        traffic = Traffic(accounts, random.Random(options["seed"]))  # noqa: S311  (not for secrets)
        began = time.monotonic()
        try:
            for count in range(int(options["rate"] * options["seconds"])):
                # By the clock, not by pauses: a slow write is made up for.
                time.sleep(max(0.0, began + count / options["rate"] - time.monotonic()))
                traffic.write()
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        done = ", ".join(f"{count} {what}" for what, count in sorted(traffic.counts.items())) or "nothing"
        self.stdout.write(f"{done} in {time.monotonic() - began:.1f} s")


class Traffic:
    """Writes one thing after another to some accounts."""

    def __init__(self, accounts: list[Account], random: random.Random) -> None:
        self.accounts = accounts
        self.random = random
        self.own: list[Transaction] = []
        self.counts: Counter[str] = Counter()

    def write(self) -> None:
        """Create a transaction, or change or delete one made before."""
        lot = self.random.random()
        if not self.own or (lot < 0.6 and len(self.own) < MOST_KEPT):
            self._create()
        elif lot < 0.85:
            self._change(self.random.choice(self.own))
        else:
            self._delete(self.own.pop(self.random.randrange(len(self.own))))

    def _create(self) -> None:
        account = self.random.choice(self.accounts)
        row = Transaction.objects.create(
            account=account,
            amount=self._amount(account),
            description=self.random.choice(DESCRIPTIONS),
            created_by=account.owner,
        )
        self.own.append(row)
        self.counts["created"] += 1

    def _change(self, row: Transaction) -> None:
        row.amount = self._amount(row.account)
        row.save(update_fields=["amount"])
        self.counts["changed"] += 1

    def _delete(self, row: Transaction) -> None:
        row.delete()
        self.counts["deleted"] += 1

    def _amount(self, account: Account) -> Decimal:
        return Decimal(self.random.randint(-9999, 4999)).scaleb(-DECIMALS[account.currency])
