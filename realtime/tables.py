"""Tables that leave the house as CSV, and do nothing in the spreadsheet they are opened with.

Separate because what stands in a cell was written by anybody: a client calls itself what it likes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpResponse

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def csv_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A file ``name``, to be downloaded, of the header and the rows."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow([harmless(cell) for cell in header])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def harmless(cell: object) -> str:
    """The text of a cell, with an apostrophe before what a spreadsheet would compute."""
    text = "" if cell is None else cell.isoformat() if isinstance(cell, datetime) else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
