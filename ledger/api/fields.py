"""Fields that this API has and REST framework lacks.

Separate because several resources share them.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# As the columns are. What a currency can express, and how large it may be, ledger.money says.
STORED_DIGITS = 19
STORED_PLACES = 4
MAX_METADATA_BYTES = 4096
_WRITTEN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


@extend_schema_field(
    {
        "oneOf": [{"type": "string", "pattern": r"^[+-]?[0-9]{1,15}(\.[0-9]{1,4})?$"}, {"type": "number"}],
        "description": "At most 15 digits, with at most the currency's decimals. Text is safest.",
        "example": "-12.50",
    }
)
class MoneyField(serializers.DecimalField):
    """An amount: a decimal string, or a JSON number that was parsed as one. Never a float."""

    default_error_messages = {
        "invalid": _('Give a decimal number as a string, such as "-12.50".'),
        "zero": _("Give an amount that is not zero."),
        "negative": _("Give an amount above zero."),
    }

    def __init__(
        self, *, positive: bool = False, zero: bool = False, max_digits: int = STORED_DIGITS, **kwargs: Any
    ) -> None:
        super().__init__(max_digits=max_digits, decimal_places=STORED_PLACES, **kwargs)
        self.positive = positive
        self.zero = zero

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str):
            # Decimal() itself also takes "1_000", "１" and "1e3", which people may mean differently.
            data = data.strip()
            is_number = _WRITTEN.fullmatch(data) is not None
        else:
            is_number = isinstance(data, int | Decimal) and not isinstance(data, bool)
        if not is_number:
            self.fail("invalid")
        amount = super().to_internal_value(data)
        if self.positive and amount <= 0:
            self.fail("negative")
        if not (self.zero or amount):
            self.fail("zero")
        return amount


class MetadataField(serializers.DictField):
    """A small JSON object. Numbers with a fraction are kept as decimal strings."""

    default_error_messages = {
        "too_large": "Give at most {limit} bytes of metadata.",
        "null": "Give text without null characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().to_internal_value(data)
        text = json.dumps(found, default=_plain, ensure_ascii=False).encode()
        if len(text) > MAX_METADATA_BYTES:
            self.fail("too_large", limit=MAX_METADATA_BYTES)
        # PostgreSQL keeps no null character, not even escaped. Text about one has its backslash twice here.
        if b"\\u0000" in text.replace(b"\\\\", b""):
            self.fail("null")
        return dict(json.loads(text))


def _plain(value: Any) -> str:
    # A Decimal, as nothing else comes from the parser. Not by format(): "1e999999" would become a megabyte.
    return str(value)
