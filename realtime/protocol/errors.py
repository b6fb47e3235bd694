"""Every way in which the server refuses or ends something: one table for all transports.

Separate so that HTTP, WebSocket and SSE cannot give one refusal different names, and no transport writes a
number.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

CLOSE_CODES: dict[int, str] = {
    1009: "message over the limit",
    1011: "unexpected failure of the server: reconnect",
    1012: "restarting or draining: reconnect after a random delay",
    4401: "token expired: get a new one first",
    4408: "heartbeat timeout",
    4410: "too slow: it would not read what was sent; resume with the cursor",
    4429: "too many commands; wait",
    4430: "too many connections: later",
    4500: "repeated protocol violations",
    4501: "no good credential",
    4503: "signed out, deactivated, or access taken away",
    4505: "not admitted: topic, role or origin",
}
"""What each close code tells a client. 4000-4499: reconnect. 4500-4999: stop."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row of the table. ``retry_after`` is in seconds, None where waiting is no remedy."""

    code: str
    http_status: int
    close_code: int
    message: str
    retry_after: int | None = None

    @property
    def retry(self) -> bool:
        """Whether a client that was closed for this may reconnect by itself."""
        return self.close_code < 4500


_TABLE = (
    # What a command may be answered with; the connection stays open.
    ErrorKind("bad_json", 400, 4500, "This is not valid JSON: send one JSON object as text."),
    ErrorKind("bad_message", 400, 4500, "This is no message of the protocol: check its form."),
    ErrorKind("unknown_command", 400, 4500, "There is no such command."),
    ErrorKind("invalid_data", 400, 4500, "The data does not fit: check its fields."),
    ErrorKind("forbidden", 403, 4505, "You have no access to this, or it does not exist."),
    ErrorKind("not_subscribed", 409, 4500, "You are not subscribed to this topic: subscribe first."),
    ErrorKind("too_many_subscriptions", 403, 4505, "Too many topics on one connection: leave some first."),
    ErrorKind("rate_limited", 429, 4429, "Too many commands: wait, then go on more slowly.", retry_after=1),
    ErrorKind("unknown_resource", 404, 4500, "There is no such resource."),
    ErrorKind("not_found", 404, 4505, "There is nothing here that you may see."),
    ErrorKind("unauthenticated", 401, 4501, "Sign in first, or send an access token or a ticket."),
    ErrorKind("internal", 500, 1011, "Something went wrong on our side: try again later.", retry_after=5),
    # What a connection may be refused or ended with.
    ErrorKind("token_expired", 401, 4401, "The token has expired: get a new one and connect again."),
    ErrorKind("signed_out", 401, 4503, "You have been signed out, or access has been taken away."),
    ErrorKind("too_many_connections", 429, 4430, "Too many connections: come back later.", retry_after=30),
    ErrorKind("message_too_big", 413, 1009, "The message is over the limit: send less at a time."),
    ErrorKind("protocol_violations", 400, 4500, "Too many malformed messages: fix the client."),
    ErrorKind("heartbeat_timeout", 408, 4408, "The client was silent for too long: reconnect with the cursor."),
    ErrorKind("too_slow", 408, 4410, "The client did not read what was sent: reconnect with the cursor."),
    ErrorKind("draining", 503, 1012, "The server is restarting: reconnect shortly.", retry_after=5),
    ErrorKind("unavailable", 503, 1012, "The server is not ready yet: try again shortly.", retry_after=2),
)

KINDS: dict[str, ErrorKind] = {kind.code: kind for kind in _TABLE}


class ProtocolError(Exception):
    """A refusal in words a client may see: no traceback, no SQL, nothing of another user's.

    ``reply_to`` is the id of the command that is refused, where it was readable; ``limit`` the setting that was
    reached, where that is why. An unknown ``code`` is a KeyError.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        retry_after: int | None = None,
        reply_to: str | int | None = None,
        limit: str = "",
    ) -> None:
        self.kind = KINDS[code]
        self.message = message or self.kind.message
        self.retry_after = self.kind.retry_after if retry_after is None else retry_after
        self.reply_to = reply_to
        self.limit = limit
        super().__init__(code, self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def code(self) -> str:
        """The error's name on the wire."""
        return self.kind.code

    @property
    def http_status(self) -> int:
        """The status of an HTTP refusal."""
        return self.kind.http_status

    @property
    def close_code(self) -> int:
        """The code with which a WebSocket, or a stream's ``Close`` event, ends for this."""
        return self.kind.close_code

    @property
    def body(self) -> bytes:
        """The JSON body of an HTTP refusal."""
        return msgspec.json.encode({"code": self.code, "message": self.message})
