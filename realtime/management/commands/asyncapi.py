"""``manage.py asyncapi``: print the published form of the wire protocol."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from realtime.asyncapi import document


class Command(BaseCommand):
    """Print the AsyncAPI document of this project's events, commands and resources, as JSON."""

    help = "Print the AsyncAPI 3 document of the wire protocol, as JSON."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--title", default="Real-time events", help="Title of the document.")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(json.dumps(document(options["title"]), indent=2, ensure_ascii=False))
