"""What ``Request`` and the snapshot endpoint may ask for.

Separate because the apps that own the rows answer, here by name, and every transport asks the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from realtime.protocol.commands import fitted
from realtime.protocol.errors import ProtocolError

P = TypeVar("P", bound=msgspec.Struct)
Answer = Callable[[Any, P], Any]


class NotFound(ProtocolError):
    """There is nothing that this user may see. It takes no words: unknown and forbidden must answer alike."""

    def __init__(self) -> None:
        super().__init__("not_found")


class InvalidParams(ProtocolError):
    """The params fit their form and still make no sense; ``message`` says which, and what would."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_data", message)


class UnknownResource(ProtocolError):
    """Nothing was registered under that name."""

    def __init__(self) -> None:
        known = ", ".join(sorted(_registered)) or "none"
        super().__init__("unknown_resource", f"There is no such resource. There are: {known}.")


_registered: dict[str, tuple[type[msgspec.Struct], Answer[Any]]] = {}


def resource(name: str, params: type[P]) -> Callable[[Answer[P]], Answer[P]]:
    """Register a function of (user, params) under ``name``.

    It runs in a thread and may read the database; rights are its own to check. What it returns follows the
    rules of published data. ``params`` forbids unknown fields, so that a misspelt filter is refused.
    """
    if not params.__struct_config__.forbid_unknown_fields:
        raise TypeError(f"class {params.__name__}(msgspec.Struct) needs forbid_unknown_fields=True")

    def register(function: Answer[P]) -> Answer[P]:
        if _registered.setdefault(name, (params, function))[1] is not function:
            raise ValueError(f"the resource {name!r} is registered already")
        return function

    return register


def answer(user: Any, name: str, params: Mapping[str, Any], *, as_text: bool = False) -> Any:
    """What the resource says to this user, now; reads the database.

    With ``as_text`` numbers may be written as text: ``?limit=50`` of a query string.

    Raises ProtocolError: ``unknown_resource``, ``invalid_data`` with the field, or what the resource raises.
    """
    try:
        form, function = _registered[name]
    except KeyError:
        raise UnknownResource from None
    return function(user, fitted(params, form, "params", strict=not as_text))


def forms() -> dict[str, type[msgspec.Struct]]:
    """The params of every resource, by its name: for the published schema."""
    return {name: form for name, (form, _) in sorted(_registered.items())}
