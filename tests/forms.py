"""What a browser would send of a page's form."""

from __future__ import annotations

from html.parser import HTMLParser


class _Fields(HTMLParser):
    """The values of a page's fields when nothing on it is touched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""
        self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "select":
            self._select = name
            if "multiple" not in given:
                self.values[name] = ""
        elif tag == "option" and "selected" in given:
            self.values[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._textarea = name
            self.values[name] = ""
        elif tag == "input" and given.get("type") not in ("checkbox", "radio", "submit", "button"):
            self.values[name] = given.get("value") or ""
        elif tag == "input" and "checked" in given:
            self.values[name] = given.get("value") or "on"

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.values[self._textarea] += data


def fields_of(page: str) -> dict[str, str]:
    """Every field of the page by name, as it stands there."""
    values = _Fields(page).values
    return {name: value.removeprefix("\r\n").removeprefix("\n") for name, value in values.items() if name}
