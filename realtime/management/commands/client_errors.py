"""``manage.py client_errors``: print the browser client's table of errors and close codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

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


class Command(BaseCommand):
    """Print the table that static/realtime/errors.js is, from the one of the protocol."""

    help = "Print the browser client's table of errors and close codes, which is static/realtime/errors.js."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the module."""
        self.stdout.write("\n".join(module()))


def module() -> Iterator[str]:
    """The module, line by line."""
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
        kinds = [kind for kind in KINDS.values() if kind.close_code == code]
        waits = {kind.retry_after for kind in kinds}
        # Where the kinds of a code differ, the code alone does not say how long.
        wait = _wait(waits.pop()) if len(waits) == 1 else ""
        sign_in = ", signIn: true" if any(kind.http_status == 401 for kind in kinds) else ""
        if fields := (wait + sign_in).removeprefix(", "):
            yield f"  {code}: {{ {fields} }},"
    yield "};"


def _wait(seconds: int | None) -> str:
    return "" if seconds is None else f", retryAfter: {seconds}"
