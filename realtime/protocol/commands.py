"""What a client may say: the typed commands, and the one way from its bytes to them.

Separate from what the server says because here nothing may be believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from realtime.protocol.errors import ProtocolError
from realtime.protocol.reading import Unreadable, is_shallow, read_json
from realtime.protocol.unpacking import read_msgpack

MAX_ID_LENGTH = 128
MAX_ID_NUMBER = 2**53 - 1  # the largest every client keeps exactly

Id = str | int | None
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
T = TypeVar("T")


class Subscribe(Struct, frozen=True, tag=True, kw_only=True):
    """Join a topic; with ``after``, replay first what came after that seq.

    Any text will do as the topic: what is malformed must be refused like what is forbidden.
    """

    topic: str
    after: Seq | None = None
    reply_to: Id = None


class Unsubscribe(Struct, frozen=True, tag=True, kw_only=True):
    """Leave a topic."""

    topic: str
    reply_to: Id = None


class Request(Struct, frozen=True, tag=True, kw_only=True):
    """Ask for a snapshot. What ``params`` must hold is the resource's to say."""

    resource: str
    params: dict[str, Any] = {}
    reply_to: Id = None


class Ack(Struct, frozen=True, tag=True, kw_only=True):
    """Say that an event has been handled."""

    message_id: UUID
    reply_to: Id = None


class Ping(Struct, frozen=True, tag=True, kw_only=True):
    """Ask whether the server is there."""

    reply_to: Id = None


class Pong(Struct, frozen=True, tag=True, kw_only=True):
    """Answer the server's Ping."""

    reply_to: Id = None


class Authenticate(Struct, frozen=True, tag=True, kw_only=True):
    """Go on with a fresh token of the same user."""

    token: str
    reply_to: Id = None

    def __repr__(self) -> str:
        return "Authenticate(token=…)"  # a token never reaches a log


Command = Subscribe | Unsubscribe | Request | Ack | Ping | Pong | Authenticate

COMMANDS: tuple[type[Command], ...] = (Subscribe, Unsubscribe, Request, Ack, Ping, Pong, Authenticate)
_by_name: dict[str, type[Command]] = {command.__name__.lower(): command for command in COMMANDS}


def parse_command(raw: str | bytes, *, max_size: int, max_depth: int, max_keys: int, msgpack: bool = False) -> Command:
    """Read one message of a client; ``max_size`` is in bytes, ``msgpack`` tells which form was agreed on.

    Raises ProtocolError, and nothing else, for whatever it is given: ``bad_json``, ``bad_message``,
    ``unknown_command``, ``invalid_data`` or ``message_too_big``. Its ``reply_to`` is the command's id, where
    that was readable.
    """
    message = _read(raw, max_size, max_depth, max_keys, msgpack)
    if not isinstance(message, dict):
        raise ProtocolError("bad_message", 'A message is an object: {"command": ..., "data": {...}}.')
    reply_to = _id_of(message)
    try:
        kind = _kind_of(message)
        return _typed(kind, message.get("data"), reply_to)
    except ProtocolError as error:
        error.reply_to = reply_to
        raise


def fitted(values: Mapping[str, Any], form: type[T], at: str, *, strict: bool = True) -> T:
    """``values`` as a ``form``; raise ProtocolError ``invalid_data`` that names the field, under ``at``.

    Not ``strict``, texts will do for numbers, as in a query string.
    """
    try:
        return msgspec.convert(values, form, strict=strict)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProtocolError("invalid_data", _in_words(str(error), at)) from error


def _read(raw: str | bytes, max_size: int, max_depth: int, max_keys: int, msgpack: bool) -> Any:
    if isinstance(raw, str) == msgpack:
        raise ProtocolError("bad_json", "Send binary frames here." if msgpack else "Send text frames here.")
    try:
        encoded = raw.encode() if isinstance(raw, str) else raw
        if len(encoded) > max_size:
            raise _too_big(encoded, max_size, max_depth, msgpack)
        return (read_msgpack if msgpack else read_json)(encoded, max_depth=max_depth, max_keys=max_keys)
    except UnicodeEncodeError as error:
        raise ProtocolError("bad_json", "This cannot be read: its text is not Unicode.") from error
    except Unreadable as error:
        raise ProtocolError("bad_json", f"This cannot be read: {error}.", limit=error.limit) from error


def _too_big(raw: bytes, max_size: int, max_depth: int, msgpack: bool) -> ProtocolError:
    # Absurd nesting is named as what it is, however long: a connection need not end for it.
    if not msgpack and not is_shallow(raw, max_depth):
        words = f"Its brackets do not close, or are nested deeper than {max_depth}."
        return ProtocolError("bad_json", words, limit="MAX_DEPTH")
    return ProtocolError("message_too_big", f"The message is over the limit of {max_size} bytes.", limit="MAX_MESSAGE")


def _id_of(message: Mapping[str, Any]) -> Id:
    given = message.get("id")
    match given:
        case None:
            return None
        case bool():
            pass
        case int() if abs(given) <= MAX_ID_NUMBER:
            return given
        case str() if len(given) <= MAX_ID_LENGTH:
            return given
    raise ProtocolError("invalid_data", f"id: expected text of at most {MAX_ID_LENGTH} characters, or an integer.")


def _kind_of(message: Mapping[str, Any]) -> type[Command]:
    name = message.get("command", message.get("type"))
    if not isinstance(name, str):
        raise ProtocolError("bad_message", 'The message names no command: {"command": ..., "data": {...}}.')
    kind = _by_name.get(name.lower()) if name.isascii() else None
    if kind is None:
        known = ", ".join(command.__name__ for command in COMMANDS)
        raise ProtocolError("unknown_command", f"There is no such command. There are: {known}.")
    return kind


def _typed(kind: type[Command], data: object, reply_to: Id) -> Command:
    match data:
        case None:
            fields: dict[str, Any] = {}
        case dict():
            fields = data
        case _:
            raise ProtocolError("invalid_data", "data: expected an object.")
    return fitted({**fields, "reply_to": reply_to}, kind, "data")


def _in_words(problem: str, at: str) -> str:
    """msgspec's words for what does not fit, without its signs: ``$`` is the root of what it was given."""
    words, _, path = problem.replace("`", "").partition(" - at ")
    return f"{at}{path.removeprefix('$')}: {words[:1].lower()}{words[1:]}."
