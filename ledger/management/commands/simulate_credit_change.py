"""``manage.py simulate_credit_change alice -12.50 usage``: a change from a process of its own."""

from __future__ import annotations

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from ledger.errors import LedgerError
from ledger.models import CreditEntry
from ledger.money import format_credit
from ledger.services import credits as credit


def amount(text: str) -> Decimal:
    """A decimal number, as an argument."""
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"{text!r} is no amount, such as 12.50 or -12.50") from error


class Command(BaseCommand):
    help = "Change a user's credit; pages that show it follow at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name")
        parser.add_argument("amount", type=amount, help="such as 12.50, or -12.50 to take away")
        parser.add_argument("reason", choices=CreditEntry.Reason.values)

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"there is no user {options['user']!r}")
        try:
            entry = credit.change(user, options["amount"], options["reason"], {"source": "simulate_credit_change"})
        except LedgerError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{user.username}: {entry.change} ({entry.reason}), now {format_credit(entry.balance_after)}")
