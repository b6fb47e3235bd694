"""``manage.py realtime_settings``: print every setting of ``REALTIME`` as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from msgspec import NODEFAULT
from msgspec.inspect import (
    BoolType,
    Field,
    FloatType,
    IntType,
    ListType,
    Metadata,
    StrType,
    StructType,
    Type,
    type_info,
)

from realtime.conf import Settings
from realtime.limits import LIMITS


class Command(BaseCommand):
    """Print the settings, or the limits among them, as Markdown: the tables of docs/settings.md."""

    help = "Print every setting of REALTIME with its default, its bounds and its meaning, as a table in Markdown."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take ``--limits``."""
        parser.add_argument("--limits", action="store_true", help="only the limits, with what is answered beyond them")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        self.stdout.write("\n".join(limits() if options["limits"] else table()))


def table() -> Iterator[str]:
    """The table, line by line, in the order in which the settings stand in ``conf``."""
    yield "| setting | default | value | meaning |"
    yield "|---|---|---|---|"
    settings = type_info(Settings)
    assert isinstance(settings, StructType)
    for field in settings.fields:
        value, meaning = _described(field.type)
        yield f"| `{field.name}` | `{_default(field)!r}` | {value} | {meaning} |"


def limits() -> Iterator[str]:
    """The table of limits: what each bounds, and what whoever goes beyond it is answered."""
    yield "| limit | default | bounds | beyond it |"
    yield "|---|---|---|---|"
    defaults = Settings()
    for limit in LIMITS:
        yield f"| `{limit.setting}` | `{getattr(defaults, limit.setting)}` | {limit.bounds} | {limit.answer} |"


def _default(field: Field) -> Any:
    return field.default_factory() if field.default is NODEFAULT else field.default


def _described(of: Type) -> tuple[str, str]:
    """What a value of this type may be, and what it means."""
    meaning = ""
    while isinstance(of, Metadata):
        meaning = (of.extra_json_schema or {}).get("description", meaning)
        of = of.type
    return _form(of), meaning


def _form(of: Type) -> str:
    match of:
        case BoolType():
            return "`True` or `False`"
        case IntType():
            return f"whole number{_bounds(of)}"
        case FloatType():
            return f"number{_bounds(of)}"
        case StrType(pattern=pattern):
            return f"text, `{pattern}`" if pattern else "text"
        case ListType(item_type=item):
            return f"list of {_form(item)}"
    raise TypeError(f"no words for {of}")


def _bounds(number: IntType | FloatType) -> str:
    if number.ge is not None and number.le is not None:
        return f", {_plain(number.ge)} to {_plain(number.le)}"
    if number.ge is not None:
        return f", {_plain(number.ge)} or more"
    if number.gt is None:
        return ""
    upto = "" if number.le is None else f", at most {_plain(number.le)}"
    return f", above {_plain(number.gt)}{upto}"


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)
