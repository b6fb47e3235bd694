"""``manage.py create_demo``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ledger import demo


class Command(BaseCommand):
    help = "Create the demo family with its accounts and half a year of transactions, unless it is there."

    def handle(self, *args: Any, **options: Any) -> None:
        if demo.create():
            self.stdout.write(
                f"created {demo.FAMILY!r}: sign in as alice, bob, vera, charlie or admin, password {demo.PASSWORD}"
            )
        else:
            self.stdout.write(f"{demo.FAMILY!r} is there already; nothing changed")
