"""``manage.py prune_events``: drop what need not be kept any more. Meant for a daily timer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from realtime import pruning, receipts, tickets
from realtime.conf import conf


class Command(BaseCommand):
    """Drop events and receipts beyond retention, and the record of tickets that have expired."""

    help = (
        "Drop events older than the retention, old receipts, and the record of expired tickets. Events that want an "
        "acknowledgement stay until they expire. Clients whose cursor is older than what is kept are told to start "
        "over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """One option: another age than the setting's."""
        parser.add_argument(
            "--older-than",
            type=float,
            metavar="SECONDS",
            help="Age from which events go, instead of REALTIME['RETENTION'].",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune, and say how much went."""
        age = conf.RETENTION if options["older_than"] is None else options["older_than"]
        if not 0 <= age < timedelta.max.total_seconds():
            raise CommandError("--older-than takes a number of seconds, 0 or more.")
        events = pruning.prune(timezone.now() - timedelta(seconds=age))
        # Receipts after events: they are kept as long as theirs is.
        self.stdout.write(f"pruned {events} events, {receipts.prune()} receipts and {tickets.prune()} tickets")
