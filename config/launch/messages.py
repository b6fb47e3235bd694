"""What people read: gathered from the sources, kept beside its translation, compiled.

Separate from Django's ``makemessages``, which needs programs of gettext: this runs wherever the project does.
``realtime`` carries its own catalogue, so that it can be lifted into another project; the rest share one.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from config.env import BASE_DIR

LANGUAGES = ("zh_Hans",)
KEYWORDS = {
    name: places
    for plain, places in {"gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}.items()
    for name in (plain, f"{plain}_lazy")
} | {"_": None}
HEADER = "# What people read, and how it is said in this language. Made by: python3 run.py messages"


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Folders whose sentences are kept together, and where."""

    name: str
    sources: tuple[str, ...]
    home: Path

    def catalogue(self, language: str) -> Path:
        """Where a language's catalogue is; the compiled one lies beside it, as ``.mo``."""
        return self.home / "locale" / language / "LC_MESSAGES" / "django.po"


DOMAINS = (
    Domain(name="realtime", sources=("realtime",), home=BASE_DIR / "realtime"),
    Domain(name="project", sources=("accounts", "config", "ledger", "templates"), home=BASE_DIR),
)


def messages() -> int:
    """Bring every catalogue up to date and compile it; return 0 when nothing is left to translate."""
    missing = [fault for domain in DOMAINS for language in LANGUAGES for fault in _renew(domain, language)]
    for fault in missing:
        print(f"to translate: {fault}")
    return 1 if missing else 0


def untranslated(catalogue: Catalog) -> Iterator[str]:
    """Give what has no translation, or one that nobody has confirmed."""
    for message in catalogue:
        texts = message.string if isinstance(message.string, tuple | list) else [message.string]
        if message.id and (message.fuzzy or not all(texts)):
            yield str(message.id)


def gathered(domain: Domain) -> Catalog:
    """Return every sentence of the sources, in their order, without translations."""
    catalogue = Catalog()
    for path in _sources(domain):
        for _, text, _, context in extract("python", io.BytesIO(_code(path)), keywords=KEYWORDS):
            catalogue.add(text, locations=[(str(path.relative_to(BASE_DIR)), 0)], context=context)
    return catalogue


def kept(path: Path) -> Catalog:
    """Return a catalogue as it is on disk; an empty one when there is none."""
    language = path.parent.parent.name
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="django")


def compiled(catalogue: Catalog) -> bytes:
    """Return what Django reads: the same bytes for the same sentences, whenever it is made."""
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def _renew(domain: Domain, language: str) -> Iterator[str]:
    path = domain.catalogue(language)
    known = kept(path)
    fresh = gathered(domain)
    renewed = Catalog(locale=language, header_comment=HEADER, charset="utf-8", fuzzy=False)
    for message in fresh:
        if message.id:
            renewed[message.id] = _with_translation(message, known)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, renewed, width=120, include_lineno=False, sort_by_file=True)
    _tidy(path)
    path.with_suffix(".mo").write_bytes(compiled(kept(path)))
    return untranslated(renewed)


def _with_translation(message: Message, known: Catalog) -> Message:
    old = known.get(message.id, message.context)
    if old is not None:
        message.string, message.flags = old.string, message.flags | old.flags
    return message


def _tidy(path: Path) -> None:
    """A catalogue says what, not when or by whom: else every run would be a change."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    is_noise = re.compile(r'"(Project-|Report-|POT-|PO-|Last-|Language-Team|Generated-)')
    path.write_text("".join(line for line in lines if not is_noise.match(line)), encoding="utf-8")


def _sources(domain: Domain) -> list[Path]:
    paths = [path for folder in domain.sources for path in sorted((BASE_DIR / folder).rglob("*"))]
    return [path for path in paths if path.suffix in (".py", ".html") and "migrations" not in path.parts]


def _code(path: Path) -> bytes:
    """A source as Python, whatever it is: Django knows how a template's sentences look there."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        from django.utils.translation.template import templatize

        text = templatize(text, origin=str(path))
    return text.encode()
