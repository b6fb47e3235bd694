"""``manage.py client_errors``: print a client's table of errors and close codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from realtime.protocol.errors import CLOSE_CODES, KINDS

HEAD = """\
/**
 * Every way in which the server refuses or ends something, as far as the client acts on it.
 *
 * Generated: `manage.py client_errors > realtime/static/realtime/errors.js`.
 *
 * @module
 */
"""

PYTHON_HEAD = '''\
"""Every way in which the server refuses or ends something, as far as the client acts on it.

Generated: ``manage.py client_errors --python > clients/python/realtime_client/table.py``.
"""
'''


class Command(BaseCommand):
    """Print the tables that the clients are generated with, from the one of the protocol."""

    help = "Print the browser client's table of errors and close codes, static/realtime/errors.js, or another client's."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Say for whom."""
        parser.add_argument("--python", action="store_true", help="the Python client's table, realtime_client/table.py")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the module."""
        self.stdout.write("\n".join(python_module() if options["python"] else module()))


def module() -> Iterator[str]:
    """The browser client's module, line by line."""
    yield HEAD
    yield "/** What a refusal in HTTP would have been on a line: close code, seconds to wait. */"
    yield "/** @type {Record<string, {close: number, retryAfter?: number}>} */"
    yield "export const ERRORS = {"
    for kind in KINDS.values():
        yield f"  {kind.code}: {{ close: {kind.close_code}{_wait(kind.retry_after)} }},"
    yield "};"
    yield ""
    yield "/** What a close code asks for besides coming back or staying away: seconds to wait, a new sign-in. */"
    yield "/** @type {Record<number, {retryAfter?: number, signIn?: boolean}>} */"
    yield "export const CLOSE_CODES = {"
    for code in CLOSE_CODES:
        sign_in = ", signIn: true" if needs_sign_in(code) else ""
        if fields := (_wait(wait_after(code)) + sign_in).removeprefix(", "):
            yield f"  {code}: {{ {fields} }},"
    yield "};"


def python_module() -> Iterator[str]:
    """The Python client's module, line by line."""
    yield PYTHON_HEAD
    yield "CLOSES = {"
    yield from (f'    "{kind.code}": {kind.close_code},' for kind in KINDS.values())
    yield "}"
    yield '"""What a refusal in HTTP would have been on a line: its close code."""'
    yield "RETRY_AFTER = {"
    yield from (f'    "{kind.code}": {kind.retry_after},' for kind in KINDS.values() if kind.retry_after is not None)
    yield "}"
    yield '"""How many seconds to wait after a refusal, where it is not said."""'
    yield "CLOSE_RETRY_AFTER = {"
    yield from (f"    {code}: {wait}," for code in CLOSE_CODES if (wait := wait_after(code)) is not None)
    yield "}"
    yield '"""How many seconds to wait after a close code."""'
    yield f"SIGN_IN = frozenset({[code for code in CLOSE_CODES if needs_sign_in(code)]})"
    yield '"""The close codes after which only a new sign-in can help."""'
    yield "MEANINGS = {"
    yield from (f'    {code}: "{meaning}",' for code, meaning in CLOSE_CODES.items())
    yield "}"
    yield '"""What a close code means."""'


def wait_after(close_code: int) -> int | None:
    """How long to wait after a close code; None where the kinds that it stands for differ, or say nothing."""
    waits = {kind.retry_after for kind in KINDS.values() if kind.close_code == close_code}
    return waits.pop() if len(waits) == 1 else None


def needs_sign_in(close_code: int) -> bool:
    """Whether only another credential can help."""
    return any(kind.http_status == 401 for kind in KINDS.values() if kind.close_code == close_code)


def _wait(seconds: int | None) -> str:
    return "" if seconds is None else f", retryAfter: {seconds}"
