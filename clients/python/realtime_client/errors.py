"""What goes wrong, in the words of the protocol, and what it means for the line on which it does."""

from __future__ import annotations

from .table import CLOSE_RETRY_AFTER, CLOSES, RETRY_AFTER, SIGN_IN

ABNORMAL = 1006
"""What stands for a line that broke without a close frame."""
TOKEN_EXPIRED = 4401
NO_CREDENTIAL = 4501
NOT_ADMITTED = 4505
LEAST_FINAL = 4500


class RealtimeError(Exception):
    """What was asked for is refused, or the server wants this client no more.

    ``code`` is the protocol's, or ``timeout``, ``stopped``, ``withdrawn``, ``unreachable``,
    ``too_many_requests``, or ``refused`` when the server wants this client no more, ``close_code`` says why.
    """

    def __init__(self, code: str, message: str = "", *, close_code: int | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.close_code = CLOSES.get(code) if close_code is None else close_code

    @property
    def needs_sign_in(self) -> bool:
        """Whether only a new sign-in can help."""
        return self.close_code in SIGN_IN


class LineEnded(Exception):
    """A line is over: by the server's word, a close code, or because it broke. Raised by lines, never to users."""

    def __init__(
        self, code: int = ABNORMAL, retry_after: float | None = None, *, silent: bool = False, reason: str = ""
    ) -> None:
        super().__init__(reason or f"closed with {code}")
        self.code = code
        self.retry_after = CLOSE_RETRY_AFTER.get(code, 0) if retry_after is None else retry_after
        self.silent = silent

    @property
    def final(self) -> bool:
        """Whether coming back as before is of no use."""
        return self.code >= LEAST_FINAL or self.code == TOKEN_EXPIRED


def refusal(code: str | None, status: int, retry_after: float | None) -> LineEnded:
    """What the refusal of a request means for the line that it was to be."""
    if code is None:
        return LineEnded(ABNORMAL, retry_after, reason=f"HTTP {status}")
    wait = RETRY_AFTER.get(code) if retry_after is None else retry_after
    return LineEnded(CLOSES.get(code, ABNORMAL), wait, reason=f"HTTP {status}: {code}")
