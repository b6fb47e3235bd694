"""``manage.py new_epoch``: begin another history of the log, after a restore."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from realtime import log


class Command(BaseCommand):
    """Make every cursor that was given out before worthless."""

    help = (
        "Begin another history of the log. Run it after restoring the database from a dump: clients may hold events "
        "that are gone. Every connected client is told to start over, and every other when it comes back."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin it, and print its name."""
        self.stdout.write(f"epoch {log.new_epoch()}")
